"""Completion of missing parts of x, by a chain on the likelihood of the known ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lebm_core.base.arguments import keeps
from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Sampler
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel

__all__ = ["complete"]


class KnownTarget:
    """log p(known parts of x | z) + f(z) + log p0(z), (B,)."""

    label = "completion chain"

    def __init__(
        self, model: LatentModel, x: Tensor, known: Tensor, context: Tensor | None
    ) -> None:
        self.model, self.context = model, context
        self.likelihood = model.decoder.likelihood_of_known(x, known, context)
        self.fold = model.prior.fold if model.prior.uniform_reference else None

    def __call__(self, z: Tensor) -> Tensor:
        return self.likelihood(z) + self.model.prior.log_prob(z, context=self.context)


def complete(
    model: LatentModel,
    x: Any,
    mask: Tensor,
    sampler: Sampler,
    *,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x with its unknown parts filled in, as the decoder does it (`Decoder.filled`).

    Args:
        model: its decoder has a likelihood of parts of x (`Decoder.likelihood_of_known`).
        x: (B, ...) examples.
        mask: where x is known; NaN is unknown in any case.
        sampler: of the chain, which starts from p0.
        context: (B, c), for a conditioned model.
        generator: source of all randomness.

    Raises:
        UsageError: where p(x | z) has no likelihood of the known parts.
    """
    x, context = model.arguments(x, context)
    if not isinstance(x, Tensor):
        raise UsageError(f"complete() needs tensors of examples, and not a {type(x).__name__}.")
    known = keeps("mask", mask, x)
    if x.is_floating_point():
        known = known & ~x.isnan()
    with frozen(model.decoder, model.prior, evaluating=True):
        z = model.prior.draw_reference(len(x), generator)
        target = KnownTarget(model, x, known, context)
        if model.latent_dim:
            z = sampler(target, z, generator=generator)
        with torch.no_grad():
            done: Tensor = model.decoder.filled(z, x, known, context, generator)
            return done
