"""Completion of missing coordinates, by a chain on the likelihood of the known ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent

from lebm_core.base.arguments import keeps
from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Sampler
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel

__all__ = ["complete"]


class KnownTarget:
    """log p(known coordinates | z) + f(z) + log p0(z), (B,)."""

    label = "completion chain"

    def __init__(
        self, model: LatentModel, x: Tensor, known: Tensor, context: Tensor | None
    ) -> None:
        self.model, self.x, self.known, self.context = model, x, known, context
        self.fold = model.prior.fold if model.prior.uniform_reference else None

    def __call__(self, z: Tensor) -> Tensor:
        p = self.model.decoder(z, self.context)
        if not isinstance(p, Independent):
            raise UsageError(
                "complete() needs a decoder whose coordinates are independent given z; "
                f"{type(self.model.decoder).__name__} gives {type(p).__name__}."
            )
        each: Tensor = p.base_dist.log_prob(self.x) * self.known
        return each.flatten(1).sum(-1) + self.model.prior.log_prob(z, context=self.context)


def complete(
    model: LatentModel,
    x: Tensor,
    mask: Tensor,
    sampler: Sampler,
    *,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x with its unknown coordinates filled in by the decoder's mean.

    Args:
        model: its decoder's coordinates are independent given z.
        x: (B, ...) examples.
        mask: where x is known; NaN is unknown in any case.
        sampler: of the chain, which starts from p0.
        context: (B, c), for a conditioned model.
        generator: source of all randomness.

    Raises:
        UsageError: where p(x | z) has no likelihood for each coordinate.
    """
    x, context = model.arguments(x, context)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise UsageError("complete() needs examples of real numbers, which these are not.")
    known = keeps("mask", mask, x) & ~x.isnan()
    filled = torch.where(known, x, torch.zeros_like(x))
    with frozen(model.decoder, model.prior, evaluating=True):
        start = model.prior.draw_reference(len(x), generator)
        z = sampler(KnownTarget(model, filled, known, context), start, generator=generator)
    return torch.where(known, x, model.decode_mode(z, context))
