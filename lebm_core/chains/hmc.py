"""Hamiltonian Monte Carlo (Duane et al. 1987; Neal, "MCMC using Hamiltonian dynamics", 2011)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.randomness import normal_like, uniform
from lebm_core.chains.adaptation import AutoStep
from lebm_core.chains.blocks import State, repeated, run_blocks
from lebm_core.chains.densities import LogDensity, value_and_gradient
from lebm_core.chains.samplers import AdaptiveChain
from lebm_core.chains.trace import Chain, Move

__all__ = ["HMC", "hmc", "path"]

JITTER = 0.1  # of the step size: paths of one length may return to where they began


class HMC(AdaptiveChain):
    """Hamiltonian Monte Carlo: paths of leapfrog steps, accepted or rejected as a whole.

    Exact at any step size; a bounded support is kept by rejection. A step costs `leapfrog`
    gradients, of which Langevin's costs one.

    Args:
        steps: paths.
        step_size: of a leapfrog step, on average: each path's own is drawn within a tenth of
            it; "auto" finds, in the first half of the chain, the one that is accepted with
            probability 0.8.
        leapfrog: leapfrog steps of a path.

    Raises:
        UsageError: for steps below 0, no leapfrog step, or a step size that is not possible.
    """

    adjusted = True
    aim = 0.8  # 0.651 is the best for many dimensions (Beskos et al. 2013); more is safer

    def __init__(self, steps: int = 20, step_size: AutoStep = 0.2, leapfrog: int = 5) -> None:
        super().__init__(steps, step_size)
        self.leapfrog = whole("leapfrog", leapfrog, 1)

    def move(
        self,
        z: Tensor,
        steps: int,
        step_size: float,
        trace: Chain | None,
        adjust: bool = True,
        *,
        target: LogDensity,
        generator: torch.Generator | None,
    ) -> Tensor:
        return hmc(
            target,
            z,
            steps=steps,
            step_size=step_size,
            leapfrog=self.leapfrog,
            generator=generator,
            trace=trace,
        )


def hmc(
    log_prob: LogDensity,
    z: Tensor,
    *,
    steps: int,
    step_size: float | Tensor,
    leapfrog: int,
    generator: torch.Generator | None = None,
    trace: Chain | None = None,
) -> Tensor:
    """Run Hamiltonian Monte Carlo from `z`; returns its last state, (B, d).

    Args:
        log_prob: log-density up to a constant, (B, d) -> (B,).
        z: (B, d) the start; it is not changed.
        steps: paths.
        step_size: of a leapfrog step; a number, or (B, 1).
        leapfrog: leapfrog steps of a path.
        generator: source of all randomness.
        trace: filled in at every path when given.
    """
    z = z.detach()
    if not steps or not z.numel():
        return z.clone()
    step = path(log_prob, step_size, leapfrog, generator)

    def after(first: int, moves: list[Move]) -> None:
        for number, move in enumerate(moves, first):
            if trace is not None:
                trace.record(number, *move)

    state = (z, *value_and_gradient(log_prob, z))
    z = run_blocks(repeated(step), state, steps, after, target=log_prob, generator=generator,
                   plain=1)[0]  # fmt: skip
    if trace is not None:
        trace.end(steps, z)
    return z


def path(
    log_prob: LogDensity,
    step_size: float | Tensor,
    leapfrog: int,
    generator: torch.Generator | None,
) -> Callable[..., tuple[State, Move]]:
    """(z, log p, gradient) -> the same after a path of leapfrog steps that is taken or not."""

    def step(z: Tensor, value: Tensor, gradient: Tensor) -> tuple[State, Move]:
        begun = normal_like(z, generator)
        eps = step_size * (1 + JITTER * (2 * uniform((len(z), 1), z, generator) - 1))
        end, slope = z, gradient
        momentum = begun + 0.5 * eps * slope
        for k in range(leapfrog):
            end = end + eps * momentum
            new_value, slope = value_and_gradient(log_prob, end)
            momentum = momentum + (eps if k < leapfrog - 1 else 0.5 * eps) * slope
        kinetic = 0.5 * (begun.square() - momentum.square()).sum(-1)
        accept = (new_value - value + kinetic).clamp(max=0.0).exp().nan_to_num(0.0)
        taken = uniform((len(z),), z, generator) < accept
        moved = torch.where(taken[:, None], end, z)
        new_value = torch.where(taken, new_value, value)
        slope = torch.where(taken[:, None], slope, gradient)
        return (moved, new_value, slope), Move(z, value, gradient, moved, accept)

    return step
