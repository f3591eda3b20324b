"""Driving: demonstrations of vehicles in simulated scenes, drawn from a known cost."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.checks import choice, positive, whole
from lebm_core.base.randomness import stream
from lebm_energies.control.costs import Costs
from lebm_energies.control.demonstrations import demonstrate, mixing
from lebm_energies.control.dynamics import DYNAMICS, dynamics_of
from lebm_energies.control.scenes import draw_scenes

__all__ = ["Driving", "DrivingOptions", "TRUE", "driving"]

# theta*, for each feature of `Costs`.
TRUE = {
    "lane": 0.25, "speed": 0.2, "drive": 0.8, "steer": 0.8, "smooth": 0.5, "goal": 1.0,
    "obstacles": 1.0, "agents": 0.7,
}  # fmt: skip
OBSTACLES = 2  # of `draw_scenes`
MOST = 10**6  # scenes


@dataclass(frozen=True)
class DrivingOptions:
    """How scenes and their demonstrations are simulated.

    Attributes:
        dynamics: bicycle or point-mass
        agents: who act at once, in neighbouring lanes
        horizon: steps of time of a scene
        interval: seconds of a step
        chain_steps: paths of Hamiltonian Monte Carlo behind each demonstration
        train: scenes to learn from, each with one demonstration
        valid: scenes to choose by
        test: scenes to judge by
    """

    dynamics: Literal["bicycle", "point-mass"] = "bicycle"
    agents: int = 1
    horizon: int = 16
    interval: float = 0.25
    chain_steps: int = 150
    train: int = 400
    valid: int = 100
    test: int = 100

    def __post_init__(self) -> None:
        choice("data.dynamics", self.dynamics, DYNAMICS)
        whole("data.agents", self.agents, 1, 20)
        whole("data.horizon", self.horizon, 2, 1000)
        positive("data.interval", self.interval)
        whole("data.chain_steps", self.chain_steps, 8, 10**6)
        for split, n in self.counts.items():
            whole(f"data.{split}", n, 1, MOST)

    @property
    def counts(self) -> dict[str, int]:
        """Scenes of each split."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


class Driving(Dataset):
    """Controls x (B, T, 2), or (B, A, T, 2) of several agents, of scenes that are the context.

    Each x is a draw of exp(-theta* . phi), see `Costs`; controls are in the dynamics' units.

    Args:
        options: of the scenes.
        seed: of all draws.
        empty: leave the splits empty, as `load` does.

    Attributes:
        costs: phi of these scenes.
        theta: (features,) theta*.
    """

    suffix: ClassVar[str] = ".csv"
    figures: ClassVar[str] = "energies.driving"

    def __init__(self, options: DrivingOptions, seed: int, empty: bool = False) -> None:
        self.options, self.seed = options, seed
        dynamics = dynamics_of(options.dynamics, options.interval)
        self.sizes = {
            "context_dim": 8 * options.agents + 4 * OBSTACLES, "agents": options.agents,
            "dynamics": options.dynamics, "interval": options.interval,
        }  # fmt: skip
        self.costs = Costs(dynamics, options.agents, self.sizes["context_dim"])
        self.theta = torch.tensor([TRUE[name] for name in self.costs.names])
        self.contexts: dict[str, Tensor] = {}
        self.controls: dict[str, Tensor] = {}
        self.summary = {"source": f"simulated: {options.dynamics}", "seed": seed}
        if not empty:
            self._simulate()

    def _simulate(self) -> None:
        o, counts = self.options, self.options.counts
        generator = torch.Generator().manual_seed(stream(self.seed, "driving"))
        scenes = draw_scenes(
            sum(counts.values()), self.costs.dynamics, o.agents, o.horizon, generator
        )
        drawn = demonstrate(self.costs, self.theta, scenes, o.chain_steps, o.horizon, generator)
        mixed = mixing(self.costs, self.theta, scenes, o.chain_steps, o.horizon, generator)
        shape = (o.horizon, 2) if o.agents == 1 else (o.agents, o.horizon, 2)
        self.contexts = dict(zip(counts, scenes.split(list(counts.values())), strict=True))
        split = drawn.x.view(-1, *shape).split(list(counts.values()))
        self.controls = dict(zip(counts, split, strict=True))
        self.summary |= {
            "counts": counts,
            "theta*": {name: TRUE[name] for name in self.costs.names},
            "chains": f"HMC, {o.chain_steps} paths, acceptance {drawn.acceptance:.2f}",
            "largest R-hat of places": round(mixed.r_hat, 3),
        }

    def length(self, split: str) -> int:
        return len(self.controls.get(split, ()))

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.controls[split][index], context=self.contexts[split][index], rows=index)

    def draw(
        self, split: str, rows: Tensor, draws: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw further demonstrations of some scenes, (n, draws, d)."""
        o, scenes = self.options, self.contexts[split][rows].repeat_interleave(draws, 0)
        x = demonstrate(self.costs, self.theta, scenes, o.chain_steps, o.horizon, generator).x
        return x.view(len(rows), draws, -1)

    def raw(self, x: Any) -> Any:
        """Controls in SI units."""
        return (x * x.new_tensor(self.costs.dynamics.units)).numpy(force=True)

    def write(self, x: Tensor, path: Path) -> Path:
        """Write controls in SI units, a line for each sample, agent and step."""
        file = path.with_name(path.name + self.suffix)
        values = torch.as_tensor(self.raw(x)).flatten(0, -2)
        places = torch.cartesian_prod(
            torch.arange(len(x)),
            torch.arange(self.options.agents),
            torch.arange(len(values) // max(1, len(x) * self.options.agents)),
        )
        names = ("sample", "agent", "step", *self.costs.dynamics.controls)
        lines = [
            ",".join([*map(str, place), *(f"{v:.6g}" for v in value)])
            for place, value in zip(places.tolist(), values.tolist(), strict=True)
        ]
        file.write_text("\n".join([",".join(names), *lines]) + "\n")
        return file

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        table = {"options": asdict(self.options), "seed": self.seed}
        (folder / "driving.json").write_text(json.dumps(table) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        table = json.loads((folder / "driving.json").read_text())
        return cls(DrivingOptions(**table["options"]), table["seed"], empty=True)


DEFAULTS = DrivingOptions()


def driving(*, files: Any, seed: int, options: DrivingOptions = DEFAULTS) -> Driving:
    """Demonstrations of vehicles in simulated scenes, drawn from a known cost.

    Args:
        files: not used: scenes are simulated.
        seed: of the scenes and the demonstrations.
    """
    return Driving(options, seed)
