"""Hamiltonian Monte Carlo (Neal 2011, arXiv 1206.1901)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core import Chain, Configured
from lebm_core.base.randomness import normal_like, uniform
from lebm_core.chains.densities import LogDensity, value_and_gradient
from lebm_core.errors import UsageError


class HMC(Configured):
    """Leapfrog paths of fresh momenta, each accepted or rejected: exact at any step size.

    Args:
        steps: paths.
        leapfrog: steps of each path.
        step_size: of a leapfrog step.
    """

    adjusted = True

    def __init__(self, steps: int = 20, leapfrog: int = 4, step_size: float = 0.3) -> None:
        if steps < 0 or leapfrog < 1:
            raise UsageError(f"steps = {steps} or leapfrog = {leapfrog} is too small; use 0 and 1.")
        if not 0 < step_size < math.inf:
            raise UsageError(f"step_size = {step_size} is not possible; use a number above 0.")
        self.steps, self.leapfrog, self.step_size = steps, leapfrog, step_size

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        fold = getattr(target, "fold", None)
        z = z.detach()
        value, gradient = value_and_gradient(target, z)
        for step in range(self.steps):
            momentum = normal_like(z, generator)
            before = value - 0.5 * momentum.square().sum(-1)
            end, end_value, end_gradient = z, value, gradient
            for _ in range(self.leapfrog):
                momentum = momentum + 0.5 * self.step_size * end_gradient
                end = end + self.step_size * momentum
                end_value, end_gradient = value_and_gradient(target, end)
                momentum = momentum + 0.5 * self.step_size * end_gradient
            after = end_value - 0.5 * momentum.square().sum(-1)
            accept = (after - before).clamp(max=0.0).exp().nan_to_num(0.0)
            if fold is not None:  # outside a bounded support there is no density
                accept = accept * (fold(end) == end).all(-1)
            taken = uniform((len(z),), z, generator) < accept
            moved = torch.where(taken[:, None], end, z)
            if trace is not None:
                self._record(trace, step, z, value, gradient, moved, accept)
            z = moved
            value = torch.where(taken, end_value, value)
            gradient = torch.where(taken[:, None], end_gradient, gradient)
        if trace is not None and self.steps in trace.keep:
            trace.states[self.steps] = z.cpu()
        return z.clone()

    @staticmethod
    def _record(
        trace: Chain,
        step: int,
        z: Tensor,
        value: Tensor,
        gradient: Tensor,
        moved: Tensor,
        accept: Tensor,
    ) -> None:
        trace.log_prob.append(value.cpu())
        trace.gradient_norm.append(gradient.norm(dim=-1).cpu())
        trace.displacement.append((moved - z).norm(dim=-1).cpu())
        trace.acceptance.append(accept.cpu())
        if step in trace.keep:
            trace.states[step] = z.cpu()
