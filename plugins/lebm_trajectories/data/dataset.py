"""Trajectories as a `lebm_core` data set: x is the future, the context is the past and who is near.

Each agent has coordinates of its own: the origin is where it was last seen, the first axis points
where it was going. x (B, predicted, 2) and the context are in units of `scale`.

The context (B, c) holds the steps of the observed past, 2 (observed - 1) numbers, and for each of
the nearest neighbours 5: whether there is one, where it is, and the step that it made last. The
neighbours are whoever is there in the last two observed steps; who of them stays is not told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.errors import UsageError, did_you_mean
from lebm_trajectories.data.windows import Windows

__all__ = ["NEIGHBOUR", "TrajectoryDataset", "TrajectoryOptions"]

NEIGHBOUR = 5  # numbers for each neighbour
FAR = 10.0  # beyond so many units of scale it does not matter how far
STILL = 1e-3  # who moves less than this share of a usual step has no direction
FILE = "trajectories.json"
CLASSES = ("", "behaviour")


@dataclass(frozen=True)
class TrajectoryOptions:
    """How recordings become numbers; the fields are keys of a recipe's [data] table.

    Attributes:
        observed: steps of the past.
        predicted: steps of the future.
        neighbours: nearest agents that the context tells of; 0 for none.
        heading: turn each agent's coordinates to where it was going.
        flip: training trajectories also mirrored.
        rescale: training trajectories also larger or smaller, each window by a random factor of at
            most this, for people of another pace or another camera; 1 for none.
        reverse: training trajectories also backwards in time.
        rotations: training trajectories also turned by so many random angles; without `heading`.
        train_trajectories, eval_trajectories: only so many of a split, at random; 0 for all.
        classes: "behaviour" for standing, straight, left or right, told from the whole track; ""
            for no classes.
    """

    observed: int = 8
    predicted: int = 12
    neighbours: int = 8
    heading: bool = True
    flip: bool = True
    rescale: float = 1.0
    reverse: bool = False
    rotations: int = 0
    train_trajectories: int = 0
    eval_trajectories: int = 0
    classes: str = ""

    def __post_init__(self) -> None:
        for name, least in (("observed", 2), ("predicted", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"data.{name} = {getattr(self, name)} must be at least {least}.")
        for name in ("neighbours", "rotations", "train_trajectories", "eval_trajectories"):
            if getattr(self, name) < 0:
                raise UsageError(f"data.{name} = {getattr(self, name)} must not be negative.")
        if self.classes not in CLASSES:
            raise UsageError(
                f'data.classes = "{self.classes}" is not one of {", ".join(filter(None, CLASSES))}.'
                + did_you_mean(self.classes, CLASSES)
            )
        if not 1 <= self.rescale < math.inf:
            raise UsageError(
                f"data.rescale = {self.rescale} must be at least 1: the largest factor, 1 for none."
            )
        if self.rotations and self.heading:
            raise UsageError(
                f"data.rotations = {self.rotations} changes nothing with data.heading = true: each "
                "trajectory is turned to its own direction. Set one of them to 0 or false."
            )

    @property
    def length(self) -> int:
        """Steps of a window."""
        return self.observed + self.predicted


class TrajectoryDataset(Dataset):
    """Futures and their contexts by split.

    Args:
        splits: windows of each split, those of training already augmented.
        options: lengths, neighbours and heading.
        scale: the unit of length, in the unit of the recording.
        unit: of the recording, "metres" or "pixels".
        summary: facts for the report.
        classes: names of the classes, where the windows have y.

    Attributes:
        windows: by split, in the unit of the recording.
    """

    def __init__(
        self,
        splits: dict[str, Windows],
        options: TrajectoryOptions,
        scale: float,
        unit: str,
        summary: dict[str, Any],
        classes: Sequence[str] = (),
    ) -> None:
        self.windows, self.options, self.scale, self.unit = splits, options, scale, unit
        self.summary, self.classes = summary, list(classes)
        self.sizes = {
            "observed": options.observed,
            "predicted": options.predicted,
            "neighbours": options.neighbours,
            "context_dim": 2 * (options.observed - 1) + NEIGHBOUR * options.neighbours,
        }
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)
        self._frame = {s: own_frame(w.positions, options) for s, w in splits.items()}
        self._x = {s: self.local(s, w.positions[:, options.observed :]) for s, w in splits.items()}
        self._context = {s: self._contexts(s) for s in splits}

    def length(self, split: str) -> int:
        return len(self._x.get(split, ()))

    def batch(self, split: str, index: Tensor) -> Batch:
        y = self.windows[split].y if self.classes else None
        return Batch(
            self._x[split][index], None if y is None else y[index],
            context=self._context[split][index], rows=index,
        )  # fmt: skip

    def vectors(self, split: str, index: Tensor) -> Any:
        """Past and future of each agent in its own coordinates, (n, 2 (observed + predicted))."""
        tracks = self.local(split, self.windows[split].positions[index], index)
        return tracks.flatten(1).numpy()

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        """`pace`, the mean length of a step of the future, in the unit of the recording, (n,)."""
        path = self._x[split][index]  # from the origin
        steps = torch.cat([torch.zeros_like(path[:, :1]), path], 1).diff(dim=1)
        return {"pace": self.scale * steps.norm(dim=-1).mean(1)}

    def local(self, split: str, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """Points (N, ..., 2) of the recording in each agent's own coordinates, in units of scale.

        Args:
            split: whose agents.
            points: one row for each agent.
            rows: which agents; None for all.
        """
        origin, axes = self._own(split, rows, points.ndim)
        return ((points - origin) / self.scale).unsqueeze(-2).matmul(axes.mT).squeeze(-2)

    def world(self, split: str, points: Tensor, rows: Tensor | None = None) -> Tensor:
        """The inverse of `local`."""
        origin, axes = self._own(split, rows, points.ndim)
        return points.unsqueeze(-2).matmul(axes).squeeze(-2) * self.scale + origin

    def _own(self, split: str, rows: Tensor | None, dims: int) -> tuple[Tensor, Tensor]:
        origin, axes = self._frame[split]
        if rows is not None:
            origin, axes = origin[rows], axes[rows]
        ones = [1] * (dims - 2)
        return origin.view(-1, *ones, 2), axes.view(-1, *ones, 2, 2)

    def _contexts(self, split: str) -> Tensor:
        windows, o = self.windows[split], self.options
        past = self.local(split, windows.positions[:, : o.observed])
        steps = past.diff(dim=1).flatten(1)
        if not o.neighbours:
            return steps
        where = self.local(split, windows.near.flatten(1, 2)).unflatten(1, (-1, 2))
        there = windows.there
        place = where[:, :, 1]
        distance = place.norm(dim=-1, keepdim=True)
        place = place * (FAR / distance.clamp(min=FAR))
        told = torch.cat([place, where[:, :, 1] - where[:, :, 0]], dim=-1) * there[..., None]
        told = torch.cat([there[..., None].float(), told], dim=-1)
        return torch.cat([steps, told.flatten(1)], dim=1)

    def write(self, x: Tensor, path: Path) -> Path:
        """Writes predicted futures to `path` with the suffix .csv, in the unit of the recording.

        The coordinates are each agent's own: it was last seen at (0, 0), and with `data.heading`
        was going along the first axis.
        """
        file = path.with_name(path.name + ".csv")
        lines = ["sample,step,x,y"]
        for n, path_ in enumerate((x * self.scale).tolist()):
            lines += [f"{n},{t},{a:.5g},{b:.5g}" for t, (a, b) in enumerate(path_, 1)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file

    def figures(
        self, model: Any, folder: Path, generator: torch.Generator
    ) -> Iterable[tuple[Path, str]]:
        from lebm_trajectories.figures.scenes import pictures

        return pictures(self, model, folder, generator)

    def save(self, folder: Path) -> None:
        saved = {
            "options": asdict(self.options),
            "scale": self.scale,
            "unit": self.unit,
            "classes": self.classes,
            "summary": self.summary,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the splits are empty."""
        saved = json.loads((folder / FILE).read_text(encoding="utf-8"))
        options = TrajectoryOptions(**saved["options"])
        classes = saved.get("classes", [])  # an older model has none
        return cls({}, options, saved["scale"], saved["unit"], saved["summary"], classes)


def own_frame(positions: Tensor, options: TrajectoryOptions) -> tuple[Tensor, Tensor]:
    """Where each agent was last seen (N, 2), and its axes (N, 2, 2), the first its direction."""
    past = positions[:, : options.observed]
    origin = past[:, -1]
    along = torch.tensor([1.0, 0.0]).expand(len(origin), 2)
    if options.heading:
        usual = past.diff(dim=1).norm(dim=-1).mean() if len(past) else torch.tensor(1.0)
        found = torch.zeros(len(origin), dtype=torch.bool)
        for back in range(2, options.observed + 1):  # the last step, unless the agent stood still
            way = origin - past[:, -back]
            length = way.norm(dim=-1)
            moved = (length > STILL * usual) & ~found
            along = torch.where(moved[:, None], way / length.clamp(min=1e-12)[:, None], along)
            found |= moved
    aside = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
    return origin, torch.stack([along, aside], dim=1)
