"""Consistency losses for p(y | x): virtual adversarial training and augmented inputs.

Sources: Miyato et al. 2018, arXiv 1704.03976 (virtual adversarial training); Xie et al. 2020,
arXiv 1904.12848 (consistency training).
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import kl_div

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.priors.protocols import Coupled

__all__ = ["Seen", "consistency_loss", "vat_loss"]

PROBE = 1e-2  # radius of the step that finds the adversarial direction


class Seen(NamedTuple):
    """A batch as the rule has encoded it, shared by all losses: one dropout mask, one noise.

    Attributes:
        x: (B, ...) the encoder's embedding; it lets the gradient through.
        noise: (B, d) of the code z = mean + std * noise of q(z | x).
        logits: (B, C) F(z) of that code.
    """

    x: Any
    noise: Tensor
    logits: Tensor


class _Classified:
    """log p(y | x), (B, C), of embeddings of the same examples, at one noise of the code."""

    def __init__(
        self,
        model: LatentModel,
        batch: Batch,
        key: str,
        generator: torch.Generator | None,
        seen: Seen | None,
    ) -> None:
        self.model, self.batch, self.encoder = model, batch, model.need_encoder(key)
        x = self.encoder.embed(batch.x) if seen is None else seen.x
        if not isinstance(x, Tensor) or not x.is_floating_point():
            raise UsageError(f"{key} needs examples of real numbers, which these are not; use 0.")
        self.x: Tensor = x
        if seen is not None:
            self.noise, self.clean = seen.noise, seen.logits.detach().log_softmax(-1)
            return
        self.noise = normal_like(x.new_zeros(len(x), model.latent_dim), generator)
        with torch.no_grad():
            self.clean = self.log_p(x)

    def log_p(self, embedded: Tensor) -> Tensor:
        batch, prior = self.batch, cast(Coupled, self.model.prior)
        q: Independent[Normal] = self.encoder.from_embedded(embedded, batch.x, batch.context)
        logits = prior.logits(q.mean + q.stddev * self.noise, batch.context)
        return logits.log_softmax(-1)


def vat_loss(
    model: LatentModel,
    batch: Batch,
    radius: float,
    generator: torch.Generator | None,
    seen: Seen | None = None,
) -> Tensor:
    """KL(p(y | x) || p(y | x + r)) in nats, r the worst of its length (Miyato et al. 2018, eq. 8).

    Args:
        model: with an encoder and a coupled prior.
        batch: examples of real numbers, or such that the encoder's `embed` makes numbers of.
        radius: of r, in units of `Encoder.embedded_scale`; missing values, NaN, stay missing.
        generator: source of all randomness; the same noise of the code on both sides.
        seen: the batch as the rule has encoded it; None encodes it.

    Raises:
        UsageError: where neither x nor its embedding is of real numbers, or there is no encoder.
    """
    of = _Classified(model, batch, "learning.symbols.vat", generator, seen)
    x, known = of.x, ~of.x.isnan()
    scale = of.encoder.embedded_scale(x, batch.x)
    probe = _of_length(normal_like(x.detach(), generator) * known, PROBE * scale).requires_grad_()
    with frozen(of.encoder, model.prior):
        near = of.log_p(x.detach() + probe)
        divergence = kl_div(near, of.clean, log_target=True, reduction="sum")
        (direction,) = torch.autograd.grad(divergence, probe)
    moved = of.log_p(x + _of_length(torch.where(known, direction, 0.0), radius * scale))
    return kl_div(moved, of.clean, log_target=True, reduction="batchmean")


def consistency_loss(
    model: LatentModel,
    batch: Batch,
    masked: float,
    generator: torch.Generator | None,
    seen: Seen | None = None,
) -> Tensor:
    """KL(p(y | x) || p(y | augmented x)) in nats; p(y | x) is the target and takes no gradient.

    What part of x says of y spreads so to the parts that occur with it, without a label.

    Args:
        model: with an encoder and a coupled prior.
        batch: as for `vat_loss`.
        masked: share of x that is masked at random; see `Encoder.augment`.
        generator: source of all randomness; the same noise of the code on both sides.
        seen: as for `vat_loss`.

    Raises:
        UsageError: as `vat_loss`.
    """
    of = _Classified(model, batch, "learning.symbols.consistency", generator, seen)
    augmented = of.log_p(of.encoder.augment(of.x, masked, generator))
    return kl_div(augmented, of.clean, log_target=True, reduction="batchmean")


def _of_length(direction: Tensor, length: Tensor) -> Tensor:
    """Each row scaled to the length of its entry of `length`, (B, 1)."""
    flat = direction.flatten(1)
    scaled: Tensor = length * flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return scaled.view_as(direction)
