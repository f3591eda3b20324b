"""The log-density that a chain under controls follows: closed forms where there are some."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lebm_core.control.controls import Term
from lebm_core.errors import UsageError
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.tilt_target import TiltTarget

__all__ = ["ClassTilt", "Weighted", "energy_of"]


class ClassTilt(TiltTarget):
    """f + sum_k strength_k log p(y in classes_k | z) + log p0, all out of one pass for F."""

    def __init__(
        self,
        prior: EBMPrior,
        context: Tensor | None,
        terms: Sequence[tuple[tuple[int, ...], float]],
    ) -> None:
        super().__init__(prior, None, context, len(prior.tilts))
        self.terms = terms

    def tilt(self, logits: Tensor) -> Tensor:
        f = logits.logsumexp(-1)
        total = f
        for classes, strength in self.terms:
            total = total + strength * (logits[:, list(classes)].logsumexp(-1) - f)
        return total

    def slope(self, logits: Tensor) -> Tensor:
        p = logits.softmax(-1)
        total = p * (1 - sum(strength for _, strength in self.terms))
        for classes, strength in self.terms:
            mine = list(classes)
            total[:, mine] += strength * logits[:, mine].softmax(-1)
        return total


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
