"""A chain of the model's density, step by step, with its energy."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lebm_app import html
from lebm_app.answers.samples import ANY
from lebm_app.explorer import Explorer
from lebm_app.live import Watch, streamed
from lebm_core.control.controls import class_id
from lebm_core.errors import UsageError

__all__ = ["Steps", "chain"]

CHAINS = 8
KEPT = 60  # states at most
LONGEST = 5000


@dataclass
class Steps:
    """A chain: the states that were kept, by step, and the energy at every step.

    Attributes:
        states: step -> (n, d).
        energy: (steps, n), -f - log p0 in nats at the start of each step.
        context: (n, c), or None.
    """

    states: dict[int, Tensor]
    energy: Tensor
    context: Tensor | None

    def at(self, explorer: Explorer, step: int) -> tuple[str, str]:
        """The grid of the kept state nearest to a step, and a sentence."""
        kept = min(self.states, key=lambda each: abs(each - step))
        x = _decoded(explorer, self.states[kept], self.context)
        row = self.energy[min(kept, len(self.energy) - 1)]
        told = f"Step {kept} of {len(self.energy)}, energy {float(row.mean()):.1f} in the mean."
        return html.shown(explorer.view.show(x, self.context)), told

    def drawn(self, step: int | None = None) -> str:
        """The energy along the chains, with a line at a step."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 2.6), layout="constrained")
        axis = figure.subplots()
        axis.plot(self.energy.numpy(), color="#2c6fa6", lw=0.8, alpha=0.6)
        axis.plot(self.energy.mean(1).numpy(), color="#c0392b", lw=1.8, label="mean")
        if step is not None:
            axis.axvline(step, color="0.4", lw=1, ls="--")
        axis.set(xlabel="step", ylabel="energy, nats")
        axis.legend(frameon=False, fontsize=8)
        file = io.BytesIO()
        figure.savefig(file, dpi=100, format="png")
        return html.picture(file.getvalue(), "Energy -f - log p0 of each chain, and the mean.")


class Kept(Watch):
    """A watched trace that keeps some of its states."""

    def __init__(self, seen: Callable[[int, int, Tensor], None], steps: int, start: Tensor) -> None:
        super().__init__(seen, steps)
        self.every = max(1, -(-steps // KEPT))
        self.n = len(start)
        self.kept = {0: start.cpu()}

    def record(
        self, step: int, z: Tensor, value: Tensor, gradient: Tensor, moved: Tensor, accept: Tensor
    ) -> None:
        super().record(step, z, value, gradient, moved, accept)
        if self.step % self.every == 0 or self.step == self.steps:
            self.kept[self.step] = moved[-self.n :].detach().cpu()

    @property
    def energy(self) -> Tensor:
        """(steps, n)."""
        return -torch.stack([value[-self.n :] for value in self.log_prob])


def chain(
    explorer: Explorer, y: str, steps: int, seed: int
) -> Iterator[tuple[str, str, Steps | None]]:
    """The grid and a sentence as the chain goes, and with the last ones the chain itself.

    Args:
        explorer: the run.
        y: a class of a coupled prior by name, "any" for none.
        steps: of the chain; 0 for the sampler's own.
        seed: of the chain.

    Raises:
        UsageError: for a prior that is drawn from directly.
    """
    yield from streamed(lambda tell: _run(explorer, y, steps, seed, tell))


def _run(explorer: Explorer, y: str, steps: int, seed: int, tell: Any) -> Any:
    model = explorer.model
    prior: Any = model.density.prior
    name = "prior" if model.density is model else "descriptor"
    sampler = prior.sampler
    if sampler is None or prior.n_levels > 1:
        how = "directly" if sampler is None else "through levels of noise"
        raise UsageError(f"The {name} of this model is drawn {how}: it has no chain to show.")
    if not 0 <= steps <= LONGEST:
        raise UsageError(f"A chain on the page has at most {LONGEST} steps.")
    if steps and "steps" in sampler.options:
        sampler = sampler.replaced(steps=steps)
    generator = explorer.generator(seed, "chain")
    context = explorer.contexts(CHAINS) if prior.context_dim or explorer.conditioned else None
    given = context if prior.context_dim else None
    ids = None if y == ANY else class_id(y, prior.n_classes, explorer.classes)
    of = None if ids is None else torch.full((CHAINS,), ids)
    start = _start(explorer, prior, context, generator)

    def seen(step: int, of_all: int, states: Tensor) -> None:
        x = _decoded(explorer, states[-CHAINS:], context)
        told = f"Step {step}" + (f" of {of_all}." if of_all else ".")
        tell((html.shown(explorer.view.show(x, context)), told, None))

    trace = Kept(seen, int(sampler.options.get("steps") or 0), start)
    sampler(prior.target(of, given), start, generator=generator, trace=trace)
    if not trace.log_prob:
        raise UsageError(f"The sampler of the {name} takes no steps: there is no chain to show.")
    found = Steps(trace.kept, trace.energy, context)
    return *found.at(explorer, max(found.states)), found


def _start(
    explorer: Explorer, prior: Any, context: Tensor | None, generator: torch.Generator
) -> Tensor:
    """Where the chains start: at draws of p0, those of a descriptor at the generator's draws."""
    model = explorer.model
    if model.density is not model:
        z = model.prior.sample(CHAINS, generator=generator)
        return prior.fold(explorer.decoded(z, context).flatten(1))  # type: ignore[no-any-return]
    draw = getattr(prior, "draw_start", prior.draw_reference)
    return draw(CHAINS, generator)  # type: ignore[no-any-return]


def _decoded(explorer: Explorer, states: Tensor, context: Tensor | None) -> Any:
    """The x of states of the chain, which are codes, or x itself."""
    model = explorer.model
    return model.density.decode_mode(states, context if model.density is model else None)
