"""Sampler "gibbs": blocks of variables drawn by turns, each given the others."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.modules import Configured
from lebm_core.chains.densities import LogDensity, value_and_gradient
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError

__all__ = ["BlockConditional", "Gibbs"]


@runtime_checkable
class BlockConditional(Protocol):
    """A log-density of z that is drawn by turns with what z does not hold, such as hidden units.

    Given those the coordinates of z are independent, so that some of them may be held.
    """

    def __call__(self, z: Tensor) -> Tensor:
        """log p(z) up to a constant, (B, d) -> (B,)."""

    def gibbs_step(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The states (B, d) after each block was drawn once; p stays as it is."""


class Gibbs(Configured):
    """Block Gibbs sampling: no step size, no gradient, and x may be discrete.

    It needs a density that says how its blocks are drawn, as that of the prior "rbm" does: all
    hidden units given x, then all of x given them.

    Args:
        steps: sweeps over all blocks.

    Raises:
        UsageError: for steps below 0.
    """

    adjusted = True

    def __init__(self, steps: int = 100) -> None:
        self.steps = whole("steps", steps)

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """The states (B, d) after the sweeps, from z (B, d), which is not changed.

        Raises:
            UsageError: for a density without blocks.
        """
        if not isinstance(target, BlockConditional):
            raise UsageError(
                "The sampler gibbs needs a density whose blocks are drawn given each other, such "
                "as that of prior.name = rbm: use langevin, mala, hmc or tempering for this one."
            )
        z = z.detach().clone()
        for step in range(self.steps):
            with torch.no_grad():
                moved = target.gibbs_step(z, generator)
            if trace is not None:
                value, gradient = value_and_gradient(target, z)
                # Nothing is proposed, so nothing is accepted.
                trace.record(step, z, value, gradient, moved, torch.full_like(value, torch.nan))
            z = moved
        if trace is not None:
            trace.end(self.steps, z)
        return z
