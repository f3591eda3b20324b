"""Log-densities that a chain follows, and their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["ClosedForm", "LogDensity", "Total", "value_and_gradient"]

LogDensity = Callable[[Tensor], Tensor]


@runtime_checkable
class ClosedForm(Protocol):
    """A log-density that knows its gradient without autograd.

    It may also have `gradient(z)`, the gradient alone where that is cheaper, and beside it
    `leap(half, rows)`: a whole step (z, push) -> z + half * gradient(z) + push for `rows` states,
    or None.
    """

    def __call__(self, z: Tensor) -> Tensor:
        """log p(z), (B, d) -> (B,), differentiable."""

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log p(z), (B,), and its gradient, (B, d); neither is part of a graph."""


class Total:
    """The sum of log-densities, each of which may know its gradient in closed form."""

    def __init__(self, *parts: LogDensity) -> None:
        self.parts = parts

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
