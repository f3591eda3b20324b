"""Log-densities that a chain follows, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = [
    "ClosedForm",
    "FusedTarget",
    "LogDensity",
    "ReferenceDensity",
    "Total",
    "reference_of",
    "value_and_gradient",
]

# A target may also say `fold`, which maps z back into a bounded support; `label`, what messages
# call its chain; `reference`, the p0 that it tilts, and `tilt`, log p - log p0 alone, where p0 is
# dear; `by_row`, whether it differs from row to row of z, as it may where it does not say;
# `gibbs_step`, which draws its blocks by turns; and `capturable`, whether it does the same work at
# each call and never looks at a number, so that a GPU may do it again by a captured graph.
LogDensity = Callable[[Tensor], Tensor]
Step = Callable[[Tensor, Tensor | None], Tensor]  # (z, noise) -> the next z


@runtime_checkable
class ClosedForm(Protocol):
    """A log-density that knows its gradient without autograd."""

    def __call__(self, z: Tensor) -> Tensor:
        """log p(z), (B, d) -> (B,), differentiable."""

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log p(z), (B,), and its gradient, (B, d); neither is part of a graph."""


@runtime_checkable
class FusedTarget(ClosedForm, Protocol):
    """A closed form whose gradient alone is cheaper, and that may fuse a whole Langevin step."""

    def gradient(self, z: Tensor) -> Tensor:
        """The gradient of log p, (B, d)."""

    def fused_step(self, half: float, rows: int) -> Step | None:
        """(z, noise) -> z + half * gradient(z) + noise for `rows` states, or None."""


@runtime_checkable
class ReferenceDensity(Protocol):
    """A density p0, normalised, from which draws are had directly."""

    def log_prob(self, z: Tensor) -> Tensor:
        """log p0(z), (B,)."""

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws, (n, d)."""


def reference_of(target: LogDensity) -> ReferenceDensity | None:
    """The p0 that a target tilts, or None where it tilts none."""
    found = getattr(target, "reference", None)
    return found if isinstance(found, ReferenceDensity) else None


class Total:
    """The sum of log-densities, each of which may know its gradient in closed form.

    Args:
        parts: the summands; the support is that of the first bounded one.
        label: what messages call a chain on it.
    """

    def __init__(self, *parts: LogDensity, label: str = "chain") -> None:
        self.parts, self.label = parts, label
        folds = [getattr(part, "fold", None) for part in parts]
        self.fold = next((fold for fold in folds if fold is not None), None)
        references = [reference_of(part) for part in parts]
        self.reference = next((each for each in references if each is not None), None)
        self.by_row = any(getattr(part, "by_row", True) for part in parts)
        self.capturable = all(getattr(part, "capturable", False) for part in parts)

    def __call__(self, z: Tensor) -> Tensor:
        return torch.stack([part(z) for part in self.parts]).sum(0)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        values, gradients = zip(*(value_and_gradient(p, z) for p in self.parts), strict=True)
        return torch.stack(values).sum(0), torch.stack(gradients).sum(0)


def value_and_gradient(log_prob: LogDensity, z: Tensor) -> tuple[Tensor, Tensor]:
    """log p(z), (B,), and its gradient, (B, d), detached. Only z is differentiated."""
    if isinstance(log_prob, ClosedForm):
        return log_prob.value_and_gradient(z)
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_prob(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient
