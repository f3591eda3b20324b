"""Targets of chains under controls, in closed form where there is one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lebm_core.control.base import Term
from lebm_core.errors import UsageError
from lebm_core.priors.protocols import Coupled

__all__ = ["ClassReadout", "ClassTerms", "Weighted", "energy_of"]


class ClassReadout:
    """f + sum_k w_k log p(y in classes_k | z), all out of one pass for F.

    Args:
        terms: (classes, weight w) of each control.
    """

    by_row = False

    def __init__(self, terms: Sequence[tuple[tuple[int, ...], float]]) -> None:
        self.terms = terms

    def value(self, logits: Tensor) -> Tensor:
        f = logits.logsumexp(-1)
        total = f
        for classes, weight in self.terms:
            total = total + weight * (logits[:, list(classes)].logsumexp(-1) - f)
        return total

    def slope(self, logits: Tensor) -> Tensor:
        p = logits.softmax(-1)
        total = p * (1 - sum(weight for _, weight in self.terms))
        for classes, weight in self.terms:
            chosen = list(classes)
            total[:, chosen] += weight * logits[:, chosen].softmax(-1)
        return total


class ClassTerms:
    """sum_k w_k log p(y in classes_k | z) of any coupled prior, from its logits."""

    def __init__(
        self,
        prior: Coupled,
        terms: Sequence[tuple[tuple[int, ...], float]],
        context: Tensor | None,
    ) -> None:
        self.prior, self.terms, self.context = prior, terms, context

    def __call__(self, z: Tensor) -> Tensor:
        log_p = self.prior.logits(z, self.context).log_softmax(-1)
        parts = [w * log_p[:, list(classes)].logsumexp(-1) for classes, w in self.terms]
        return torch.stack(parts).sum(0)


class Weighted:
    """strength * g(z) of one term, its gradient by autograd, or 0 where g has none."""

    def __init__(self, term: Term, strength: float, context: Tensor | None = None) -> None:
        self.term, self.strength, self.context = term, strength, context

    def __call__(self, z: Tensor) -> Tensor:
        return self.strength * energy_of(self.term, z, self.context)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            at = z.detach().requires_grad_()
            value = self(at)
            if not value.requires_grad:
                return value, torch.zeros_like(z)
            gradient = torch.autograd.grad(value.sum(), at, allow_unused=True)[0]
        if gradient is None:
            return value.detach(), torch.zeros_like(z)
        # Where g is -inf its gradient may be NaN; no such state is accepted.
        return value.detach(), gradient.nan_to_num(0.0, 0.0, 0.0)


def energy_of(term: Term, z: Tensor, context: Tensor | None = None) -> Tensor:
    """g(z), (B,), of a term that is no class, given a row of the context for each z.

    Raises:
        UsageError: where a function of the user's gives another shape.
    """
    assert term.energy is not None
    g = term.energy(z, context)
    if not isinstance(g, Tensor) or g.shape != (len(z),):
        shape = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
        raise UsageError(
            f'The control "{term.name}" must give one value for each z, ({len(z)},), not {shape}.'
        )
    return g
