"""Draws of a density, moved step by step into those of another: annealed, resampled, adjusted.

A sequential Monte Carlo sampler (Del Moral, Doucet and Jasra, "Sequential Monte Carlo samplers",
JRSS B 68, 2006): from draws of p, through exp(beta g) p for a rising beta, to exp(g) p. Each rise
is as large as leaves half of the draws effective (Jasra et al. 2011); draws are then taken again in
proportion to their weights and moved by Metropolis-adjusted Langevin steps, whose size follows
their acceptance. Weights find the modes that a chain would not reach; chains undo the repetition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.randomness import uniform
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.langevin import langevin
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError

__all__ = ["Annealed", "anneal"]

KEPT = 0.5  # share of the draws that a rise of beta leaves effective
MOST_RISES = 200
BEST_ACCEPTANCE = 0.574  # of Langevin proposals (Roberts and Rosenthal 1998)
MOVES, BLOCK = 10, 10  # steps after each rise; steps between two looks at the acceptance
LEAST_ACCEPTANCE = 0.05


@dataclass
class Annealed:
    """Where `anneal` ended.

    Attributes:
        z: (G k, d), draws of the density.
        log_ratio: (G,) log of the integral of exp(g) p, for p normalised; one for each group.
        betas: the rises, the last one 1.
        acceptance: of the last steps.
        step_size: of the last steps.
    """

    z: Tensor
    log_ratio: Tensor
    betas: list[float]
    acceptance: float
    step_size: float


def anneal(
    z: Tensor,
    at: Callable[[float], LogDensity],
    change: LogDensity,
    *,
    groups: int = 1,
    steps: int = 60,
    step_size: float = 0.4,
    generator: torch.Generator | None = None,
    name: str = "controlled chain",
) -> Annealed:
    """Moves draws of p, in G groups of k, to draws of exp(g) p.

    Args:
        z: (G k, d) draws of p, group by group; only within a group are draws taken again.
        at: beta -> log-density of exp(beta g) p up to a constant.
        change: g, (B, d) -> (B,); -inf where the density is 0.
        groups: G.
        steps: adjusted steps at beta = 1.
        step_size: s to begin with.
        generator: source of all randomness.
        name: of the chain, for errors.

    Raises:
        DivergenceError: where g is not a number, is -inf everywhere, or the chain diverges or
            moves no more.
    """
    mover = _Mover(at, step_size, generator, name)
    z = mover(z, 0.0, 2 * MOVES)  # which finds a step size
    log_ratio = z.new_zeros(groups, dtype=torch.float64)
    betas: list[float] = []
    beta = 0.0
    while beta < 1:
        g = _checked(change(z), name).reshape(groups, -1)
        rise = _largest_rise(g, 1 - beta)
        beta = 1.0 if beta + rise > 1 - 1e-9 else beta + rise
        betas.append(beta)
        if len(betas) > MOST_RISES:
            raise DivergenceError(
                f"The {name} is still at {beta:.2g} of the strength after {MOST_RISES} rises: the "
                "control is too strong for this prior; lower its strength."
            )
        weights = (rise * g).nan_to_num(nan=-torch.inf, neginf=-torch.inf)
        log_ratio += weights.logsumexp(1) - math.log(g.shape[1])
        z = _taken_again(z, weights, generator)
        z = mover(z, beta, MOVES)
    for first in range(0, steps, BLOCK):
        z = mover(z, 1.0, min(BLOCK, steps - first), adapt=first < steps / 2)
    left = int((change(z) == -torch.inf).sum())
    if left:
        raise DivergenceError(
            f"The {name} leaves {left} of {len(z)} draws where the control is impossible: no draw "
            "of the model was near enough; soften the control."
        )
    if mover.acceptance < LEAST_ACCEPTANCE:
        raise DivergenceError(
            f"The {name} rejects nearly every step (acceptance {mover.acceptance:.2g} at step_size "
            f"{mover.step_size:.2g}): the control is too narrow for it; lower its strength."
        )
    return Annealed(z, log_ratio, betas, mover.acceptance, mover.step_size)


class _Mover:
    """Adjusted Langevin steps whose size follows the acceptance."""

    def __init__(
        self,
        at: Callable[[float], LogDensity],
        step_size: float,
        generator: torch.Generator | None,
        name: str,
    ) -> None:
        self.at, self.step_size, self.generator, self.name = at, step_size, generator, name
        self.acceptance = 1.0

    def __call__(self, z: Tensor, beta: float, steps: int, adapt: bool = True) -> Tensor:
        if not z.shape[1] or not steps:
            return z
        target = self.at(beta)
        for first in range(0, steps, BLOCK // 2):
            trace = Chain()
            try:
                z = langevin(
                    target, z, steps=min(BLOCK // 2, steps - first), step_size=self.step_size,
                    adjust=True, generator=self.generator, trace=trace, name=self.name,
                )  # fmt: skip
            except DivergenceError as error:
                raise DivergenceError(
                    f"The {self.name} has left every bound at {beta:.2g} of the strength: a "
                    "function among the controls grows faster than p0 falls; bound it, or lower "
                    "its strength."
                ) from error
            self.acceptance = float(torch.stack(trace.acceptance).mean())
            if adapt:
                self.step_size *= math.exp(self.acceptance - BEST_ACCEPTANCE)
        return z


def _checked(g: Tensor, name: str) -> Tensor:
    g = g.detach().double()
    if bool(g.isnan().any()) or bool((g == torch.inf).any()):
        raise DivergenceError(f"The {name} met a control that is not a number, or infinite.")
    if not bool((g > -torch.inf).any()):
        raise DivergenceError(
            f"The {name} found no draw that the controls allow (all are -inf): no such sample is "
            "near what the model draws; soften the control."
        )
    return g


def _largest_rise(g: Tensor, most: float) -> float:
    """How far beta may go up, so that on average over groups half the draws stay effective."""
    possible = (g > -torch.inf).double().sum(1).clamp(min=1)

    def share(rise: float) -> float:
        w = (rise * g).nan_to_num(nan=-torch.inf, neginf=-torch.inf)
        w = w - w.amax(1, keepdim=True).nan_to_num(neginf=0.0)
        w = w.exp()
        ess = w.sum(1).square() / w.square().sum(1).clamp(min=1e-300)
        return float((ess / possible).mean())

    if share(most) >= KEPT:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= KEPT else (low, middle)
    return max(low, most * 2.0**-40)


def _taken_again(z: Tensor, log_weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """As many draws of each group, in proportion to their weights (systematic resampling)."""
    groups, k = log_weights.shape
    top = log_weights.amax(1, keepdim=True).nan_to_num(neginf=0.0)
    weights = (log_weights - top).exp()
    none = weights.sum(1, keepdim=True) == 0  # a group without a possible draw stays as it is
    weights = torch.where(none, torch.ones_like(weights), weights)
    edges = weights.cumsum(1) / weights.sum(1, keepdim=True)
    start = uniform((groups, 1), edges, generator)
    points = (torch.arange(k, device=z.device) + start) / k
    chosen = torch.searchsorted(edges, points).clamp(max=k - 1)
    rows = chosen + k * torch.arange(groups, device=z.device)[:, None]
    return z[rows.flatten()]
