"""Adaptive sequential Monte Carlo from p to exp(g) p.

Source: Del Moral, Doucet and Jasra, "Sequential Monte Carlo samplers", JRSS B 68, 2006. Draws of p
are tempered through exp(beta g) p for a rising beta. Each next temperature leaves half of the
effective sample size (Jasra et al. 2011); draws are then resampled in proportion to their weights
and moved by Metropolis-adjusted Langevin steps, whose size follows their acceptance. Weights find
modes that a chain would not reach; chains undo the repetition.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.chains.adaptation import followed
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.langevin import langevin
from lebm_core.chains.resampling import resample
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError

__all__ = ["SMCResult", "smc"]

ESS_FRACTION = 0.5  # next temperature: the largest with this share of effective draws
MAX_TEMPERATURES = 200
TARGET_ACCEPTANCE = 0.574  # of Langevin proposals (Roberts and Rosenthal 1998)
MOVES, BLOCK = 10, 10  # steps after each rise; steps between two looks at the acceptance
MIN_ACCEPTANCE = 0.05


@dataclass
class SMCResult:
    """Where `smc` ended.

    Attributes:
        z: (G k, d), draws of the density.
        log_ratio: (G,) log of the integral of exp(g) p, for p normalised; one for each group.
        temperatures: the values of beta, the last one 1.
        acceptance: of the last steps.
        step_size: of the last steps.
    """

    z: Tensor
    log_ratio: Tensor
    temperatures: list[float]
    acceptance: float
    step_size: float


def smc(
    z: Tensor,
    target_at: Callable[[float], LogDensity],
    change: LogDensity,
    *,
    groups: int = 1,
    steps: int = 60,
    step_size: float = 0.4,
    generator: torch.Generator | None = None,
    name: str = "controlled chain",
) -> SMCResult:
    """Move draws of p, in G groups of k, to draws of exp(g) p.

    Args:
        z: (G k, d) draws of p, group by group; draws are resampled within a group.
        target_at: beta -> log-density of exp(beta g) p up to a constant.
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
    mutate = _Mutation(target_at, step_size, generator, name)
    z = mutate(z, 0.0, 2 * MOVES)  # which finds a step size
    log_ratio = z.new_zeros(groups, dtype=torch.float64)
    temperatures: list[float] = []
    beta = 0.0
    while beta < 1:
        g = _check_values(change(z), name).reshape(groups, -1)
        rise = _next_temperature(g, 1 - beta)
        beta = 1.0 if beta + rise > 1 - 1e-9 else beta + rise
        temperatures.append(beta)
        if len(temperatures) > MAX_TEMPERATURES:
            raise DivergenceError(
                f"The {name} is still at {beta:.2g} of the strength after {MAX_TEMPERATURES} "
                "temperatures: the control is too strong for this prior; lower its strength."
            )
        weights = (rise * g).nan_to_num(nan=-torch.inf, neginf=-torch.inf)
        log_ratio += weights.logsumexp(1) - math.log(g.shape[1])
        z = resample(z, weights, generator)
        z = mutate(z, beta, MOVES)
    for first in range(0, steps, BLOCK):
        z = mutate(z, 1.0, min(BLOCK, steps - first), adapt=first < steps / 2)
    left = int((change(z) == -torch.inf).sum())
    if left:
        raise DivergenceError(
            f"The {name} leaves {left} of {len(z)} draws where the control is impossible: no draw "
            "of the model was near enough; soften the control."
        )
    if mutate.acceptance < MIN_ACCEPTANCE:
        raise DivergenceError(
            f"The {name} rejects nearly every step (acceptance {mutate.acceptance:.2g} at "
            f"step_size {mutate.step_size:.2g}): the control is too narrow for it; lower "
            "its strength."
        )
    return SMCResult(z, log_ratio, temperatures, mutate.acceptance, mutate.step_size)


class _Mutation:
    """Adjusted Langevin steps whose size follows the acceptance."""

    def __init__(
        self,
        target_at: Callable[[float], LogDensity],
        step_size: float,
        generator: torch.Generator | None,
        name: str,
    ) -> None:
        self.target_at, self.step_size, self.generator, self.name = (
            target_at,
            step_size,
            generator,
            name,
        )
        self.acceptance = 1.0

    def __call__(self, z: Tensor, beta: float, steps: int, adapt: bool = True) -> Tensor:
        if not z.shape[1] or not steps:
            return z
        target = self.target_at(beta)
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
                self.step_size = followed(self.step_size, self.acceptance, TARGET_ACCEPTANCE)
        return z


def _check_values(g: Tensor, name: str) -> Tensor:
    g = g.detach().double()
    if bool(g.isnan().any()) or bool((g == torch.inf).any()):
        raise DivergenceError(f"The {name} met a control that is not a number, or infinite.")
    if not bool((g > -torch.inf).any()):
        raise DivergenceError(
            f"The {name} found no draw that the controls allow (all are -inf): no such sample is "
            "near what the model draws; soften the control."
        )
    return g


def _next_temperature(g: Tensor, most: float) -> float:
    """How far beta may go up, so that on average over groups half the draws stay effective."""
    possible = (g > -torch.inf).double().sum(1).clamp(min=1)

    def share(rise: float) -> float:
        w = (rise * g).nan_to_num(nan=-torch.inf, neginf=-torch.inf)
        w = w - w.amax(1, keepdim=True).nan_to_num(neginf=0.0)
        w = w.exp()
        ess = w.sum(1).square() / w.square().sum(1).clamp(min=1e-300)
        return float((ess / possible).mean())

    if share(most) >= ESS_FRACTION:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) >= ESS_FRACTION else (low, middle)
    return max(low, most * 2.0**-40)
