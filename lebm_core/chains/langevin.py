"""Langevin dynamics: one chain runner for the prior, the posterior and any other log-density.

One step is z <- z + (s^2/2) grad log p(z) + s tau eps with eps ~ N(0, I): `step_size` is s and
`noise` is tau. At tau = 1 the chain is the unadjusted Langevin algorithm; on a Gaussian target
with precision A its stationary covariance is (I - s^2 A/4)^-1 A^-1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, floats
from lebm_core.base.checks import at_least, positive, whole
from lebm_core.base.randomness import normal_like, standard_normal, uniform
from lebm_core.chains.densities import FusedTarget, LogDensity, Step, value_and_gradient
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError, UsageError

__all__ = ["langevin"]

FLOATS = (torch.float32, torch.float64)  # that a chain computes in
CHECK_EVERY = 10  # steps between looks at the largest coordinate: a look makes a GPU wait


@entry
def langevin(
    log_prob: LogDensity,
    z: Tensor,
    *,
    steps: int,
    step_size: float,
    noise: float = 1.0,
    adjust: bool = False,
    generator: torch.Generator | None = None,
    trace: Chain | None = None,
    fold: Callable[[Tensor], Tensor] | None = None,
    limit: float = 1e4,
    name: str = "chain",
) -> Tensor:
    """Run a Langevin chain from `z`; returns its last state, (B, d).

    Args:
        log_prob: log-density up to a constant, (B, d) -> (B,).
        z: (B, d) the start; it is not changed.
        steps: number of steps K; 0 returns the start.
        step_size: s.
        noise: tau.
        adjust: accept or reject each step by Metropolis-Hastings (needs tau = 1); the chain is
            then exact at any step size (Roberts and Tweedie 1996).
        generator: source of the noise.
        trace: filled in at every step when given.
        fold: maps z back into a bounded support after each step; an adjusted chain does without,
            for it rejects where log p is -inf.
        limit: a coordinate beyond it counts as diverged.
        name: the part that a `DivergenceError` speaks of.

    Raises:
        UsageError: for a negative number of steps, a step size that is not positive, or
            `adjust` with a noise other than 1.
        DivergenceError: where z becomes NaN or larger than `limit`; it names the step.
    """
    whole("steps", steps)
    positive("step_size", step_size)
    at_least("noise", noise, 0)
    if adjust and noise != 1.0:
        raise UsageError(f"A Metropolis-adjusted chain needs noise = 1, not {noise}.")
    if not (isinstance(z, Tensor) and z.ndim == 2 and z.dtype in FLOATS) or z.is_inference():
        z = floats("z", z, (None,))
    z = z.detach()
    check = DivergenceCheck(steps, step_size, limit, name)
    if not adjust and trace is None:
        half = 0.5 * step_size**2
        if not isinstance(log_prob, FusedTarget):
            step_of = _step(lambda z: value_and_gradient(log_prob, z)[1], half)
            return _without_values(step_of, z, step_size * noise, generator, fold, check)
        with torch.inference_mode():  # a closed form needs no graph, nor torch's account of one
            step_of = log_prob.fused_step(half, len(z)) or _step(log_prob.gradient, half)
            z = _without_values(step_of, z, step_size * noise, generator, fold, check)
        return z.clone()  # which may enter a graph again
    half, spread = 0.5 * step_size**2, step_size * noise
    value, gradient = value_and_gradient(log_prob, z) if steps else (z, z)
    for step in range(steps):
        forward = torch.add(z, gradient, alpha=half)
        proposal = forward
        if noise:
            proposal = forward.add(normal_like(z, generator), alpha=spread)
        if fold is not None and not adjust:
            proposal = fold(proposal)
        new_value, new_gradient = value_and_gradient(log_prob, proposal)
        accept = _acceptance(z, value, forward, proposal, new_value, new_gradient, half, step_size)
        if adjust:
            taken = uniform((len(z),), z, generator) < accept
            new_value = torch.where(taken, new_value, value)
            new_gradient = torch.where(taken[:, None], new_gradient, gradient)
            proposal = torch.where(taken[:, None], proposal, z)
        if trace is not None:
            if noise != 1.0:
                accept = torch.full_like(accept, torch.nan)
            trace.record(step, z, value, gradient, proposal, accept)
        z, value, gradient = proposal, new_value, new_gradient
        check(step, z)
    if trace is not None:
        trace.end(steps, z)
    return z


def _step(gradient: Callable[[Tensor], Tensor], half: float) -> Step:
    def step(z: Tensor, eps: Tensor | None) -> Tensor:
        moved = torch.add(z, gradient(z), alpha=half)
        return moved if eps is None else moved.add_(eps)

    return step


def _without_values(
    step_of: Step,
    z: Tensor,
    spread: float,
    generator: torch.Generator | None,
    fold: Callable[[Tensor], Tensor] | None,
    check: DivergenceCheck,
) -> Tensor:
    """The chain where nobody asks for log p: no step is rejected, and there is no trace."""
    noises: list[Tensor] = []
    for step in range(check.steps):
        if spread and not noises:  # for several steps at once: one large draw is the quicker
            ahead = min(CHECK_EVERY, check.steps - step)
            drawn = standard_normal((ahead, *z.shape), z, generator).mul_(spread)
            noises = list(drawn.unbind(0))
        z = step_of(z, noises.pop(0) if noises else None)
        if fold is not None:
            z = fold(z)
        check(step, z)
    return z


def _acceptance(
    z: Tensor,
    value: Tensor,
    forward: Tensor,
    proposal: Tensor,
    new_value: Tensor,
    new_gradient: Tensor,
    half: float,
    step_size: float,
) -> Tensor:
    """min(1, p(z') q(z | z') / p(z) q(z' | z)), (B,); NaN counts as a rejection."""
    backward = z - proposal - half * new_gradient
    there = proposal - forward
    log_q = (there.square().sum(-1) - backward.square().sum(-1)) / (2 * step_size**2)
    return (new_value - value + log_q).clamp(max=0.0).exp().nan_to_num(0.0)


class DivergenceCheck:
    """Looks at every tenth state of a chain; where it is bad, finds the first that was."""

    def __init__(self, steps: int, step_size: float, limit: float, name: str) -> None:
        self.steps, self.step_size, self.limit, self.name = steps, step_size, limit, name
        self.recent: list[Tensor] = []

    def __call__(self, step: int, z: Tensor) -> None:
        self.recent.append(z)
        if len(self.recent) < CHECK_EVERY and step < self.steps - 1:
            return
        if z.numel() and not bool(z.abs().amax() <= self.limit):
            raise self._diverged(step)
        self.recent.clear()

    def _diverged(self, step: int) -> DivergenceError:
        sizes = [float(z.abs().amax()) for z in self.recent]
        at = next(i for i, size in enumerate(sizes) if not size <= self.limit)
        size = sizes[at]
        what = "became NaN" if size != size else f"reached a coordinate of {size:.3g}"
        return DivergenceError(
            f"The {self.name} {what} at step {step + 2 - len(self.recent) + at} of {self.steps} "
            f"(step_size {self.step_size:g}): use a smaller step_size or fewer steps, bound the "
            "tilt (prior.bound = 10), or clip the gradients of the part that grew."
        )
