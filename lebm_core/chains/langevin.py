"""Langevin dynamics: one chain runner for the prior, the posterior and any other log-density.

One step is z <- z + (s^2/2) grad log p(z) + s tau eps with eps ~ N(0, I): `step_size` is s and
`noise` is tau. At tau = 1 the chain is the unadjusted Langevin algorithm; on a Gaussian target
with precision A its stationary covariance is (I - s^2 A/4)^-1 A^-1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, floats
from lebm_core.base.checks import at_least, positive, whole
from lebm_core.base.randomness import normal_like, standard_normal, uniform
from lebm_core.chains.blocks import Block, State, repeated, run_blocks
from lebm_core.chains.densities import FusedTarget, LogDensity, Step, value_and_gradient
from lebm_core.chains.trace import Chain, Move
from lebm_core.errors import DivergenceError, UsageError

__all__ = ["langevin"]

FLOATS = (torch.float32, torch.float64)  # that a chain computes in


@entry
def langevin(
    log_prob: LogDensity,
    z: Tensor,
    *,
    steps: int,
    step_size: float,
    noise: float = 1.0,
    adjust: bool = False,
    drift: float = 0.0,
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
        drift: longest (s^2/2) grad log p, in step sizes, that an adjusted chain proposes, and that
            a trace records; 0 for any length. It stays exact (MALTA, of the same paper).
        generator: source of the noise.
        trace: filled in at every step when given.
        fold: maps z back into a bounded support after each step; an adjusted chain does without,
            for it rejects where log p is -inf.
        limit: a coordinate beyond it counts as diverged.
        name: the part that a `DivergenceError` speaks of.

    Raises:
        UsageError: for a negative number of steps, a step size that is not positive, `adjust` with
            a noise other than 1, or `drift` without `adjust`.
        DivergenceError: where z becomes NaN or larger than `limit`; it names the step.
    """
    whole("steps", steps)
    positive("step_size", step_size)
    at_least("noise", noise, 0)
    at_least("drift", drift, 0)
    if drift and not adjust:
        raise UsageError(f"drift = {drift} needs a Metropolis-adjusted chain: use 0.")
    if adjust and noise != 1.0:
        raise UsageError(f"A Metropolis-adjusted chain needs noise = 1, not {noise}.")
    if not (isinstance(z, Tensor) and z.ndim == 2 and z.dtype in FLOATS) or z.is_inference():
        z = floats("z", z, (None,))
    z = z.detach()
    check = DivergenceCheck(steps, step_size, limit, name)
    half, spread = 0.5 * step_size**2, step_size * noise
    longest = 2 * drift / step_size  # gradient

    def looked_at(block: Block[list[Tensor]], z: Tensor) -> Tensor:
        (z,) = run_blocks(block, (z,), steps, check, target=log_prob, generator=generator)
        return z

    if not adjust and trace is None:  # nobody asks for log p
        if not isinstance(log_prob, FusedTarget):
            step_of = _step(lambda z: value_and_gradient(log_prob, z)[1], half)
            return looked_at(_without_values(step_of, spread, generator, fold), z)
        with torch.inference_mode():  # a closed form needs no graph, nor torch's account of one
            step_of = log_prob.fused_step(half, len(z)) or _step(log_prob.gradient, half)
            z = looked_at(_without_values(step_of, spread, generator, fold), z)
        return z.clone()  # which may enter a graph again

    def step(z: Tensor, value: Tensor, gradient: Tensor) -> tuple[State, Move]:
        forward = torch.add(z, gradient, alpha=half)
        proposal = forward
        if noise:
            proposal = forward.add(normal_like(z, generator), alpha=spread)
        if fold is not None and not adjust:
            proposal = fold(proposal)
        new_value, new_gradient = _held(value_and_gradient(log_prob, proposal), longest)
        accept = _acceptance(z, value, forward, proposal, new_value, new_gradient, half, step_size)
        if adjust:
            taken = uniform((len(z),), z, generator) < accept
            new_value = torch.where(taken, new_value, value)
            new_gradient = torch.where(taken[:, None], new_gradient, gradient)
            proposal = torch.where(taken[:, None], proposal, z)
        return (proposal, new_value, new_gradient), Move(z, value, gradient, proposal, accept)

    def after(first: int, moves: list[Move]) -> None:
        if trace is not None:
            for number, move in enumerate(moves, first):
                unknown = noise != 1.0  # then Metropolis-Hastings has no acceptance
                accept = torch.full_like(move.accept, torch.nan) if unknown else move.accept
                trace.record(number, *move[:-1], accept)
        check(first, [move.moved for move in moves])

    if steps:
        state = (z, *_held(value_and_gradient(log_prob, z), longest))
        block = repeated(step)
        z = run_blocks(block, state, steps, after, target=log_prob, generator=generator)[0]
    if trace is not None:
        trace.end(steps, z)
    return z


def _held(found: tuple[Tensor, Tensor], longest: float) -> tuple[Tensor, Tensor]:
    """A value and its gradient, the latter no longer than so much; 0 for any length."""
    value, gradient = found
    if not longest:
        return found
    norm = gradient.norm(dim=-1, keepdim=True).clamp(min=longest)
    return value, gradient * (longest / norm)


def _step(gradient: Callable[[Tensor], Tensor], half: float) -> Step:
    def step(z: Tensor, eps: Tensor | None) -> Tensor:
        moved = torch.add(z, gradient(z), alpha=half)
        return moved if eps is None else moved.add_(eps)

    return step


def _without_values(
    step_of: Step,
    spread: float,
    generator: torch.Generator | None,
    fold: Callable[[Tensor], Tensor] | None,
) -> Block[list[Tensor]]:
    """A block where no step is rejected, and there is no trace."""

    def block(state: State, steps: int) -> tuple[State, list[Tensor]]:
        (z,) = state
        noises: Sequence[Tensor | None] = [None] * steps
        if spread:  # for all steps at once: one large draw is the quicker
            noises = standard_normal((steps, *z.shape), z, generator).mul_(spread).unbind(0)
        states = []
        for noise in noises:
            z = step_of(z, noise)
            if fold is not None:
                z = fold(z)
            states.append(z)
        return (z,), states

    return block


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
    """Looks at the last state of a block; where it is bad, finds the first that was."""

    def __init__(self, steps: int, step_size: float, limit: float, name: str) -> None:
        self.steps, self.step_size, self.limit, self.name = steps, step_size, limit, name

    def __call__(self, first: int, states: Sequence[Tensor]) -> None:
        z = states[-1]
        if z.numel() and not bool(z.abs().amax() <= self.limit):
            raise self._diverged(first, states)

    def _diverged(self, first: int, states: Sequence[Tensor]) -> DivergenceError:
        sizes = [float(z.abs().amax()) for z in states]
        at = next(i for i, size in enumerate(sizes) if not size <= self.limit)
        size = sizes[at]
        what = "became NaN" if size != size else f"reached a coordinate of {size:.3g}"
        return DivergenceError(
            f"The {self.name} {what} at step {first + at + 1} of {self.steps} "
            f"(step_size {self.step_size:g}): use a smaller step_size or fewer steps, bound the "
            "tilt (prior.bound = 10), or clip the gradients of the part that grew."
        )
