"""Consistency losses for p(y | x): virtual adversarial training and augmented inputs.

Sources: Miyato et al. 2018, arXiv 1704.03976 (virtual adversarial training); Xie et al. 2020,
arXiv 1904.12848 (consistency training).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.priors.protocols import Coupled

__all__ = ["consistency_loss", "vat_loss"]

PROBE = 1e-2  # radius of the step that finds the adversarial direction


def vat_loss(
    model: LatentModel, batch: Batch, radius: float, generator: torch.Generator | None
) -> Tensor:
    """KL(p(y | x) || p(y | x + r)) in nats, r the worst of its length (Miyato et al. 2018, eq. 8).

    Args:
        model: with an encoder and a coupled prior.
        batch: examples of real numbers, or such that the encoder's `embed` makes numbers of.
        radius: of r, in units of `Encoder.embedded_scale`; missing values, NaN, stay missing.
        generator: source of all randomness; the same noise of the code on both sides.

    Raises:
        UsageError: where neither x nor its embedding is of real numbers, or there is no encoder.
    """
    encoder = model.need_encoder("learning.symbols.vat")
    x, log_p = _of_embedded(model, batch, "learning.symbols.vat", generator)
    with torch.no_grad():
        clean = log_p(x)
    seen = ~x.isnan()
    scale = encoder.embedded_scale(x, batch.x)
    probe = _of_length(normal_like(x.detach(), generator) * seen, PROBE * scale).requires_grad_()
    with frozen(encoder, model.prior):
        divergence = kl_div(log_p(x.detach() + probe), clean, log_target=True, reduction="sum")
        (direction,) = torch.autograd.grad(divergence, probe)
    moved = log_p(x + _of_length(torch.where(seen, direction, 0.0), radius * scale))
    return kl_div(moved, clean, log_target=True, reduction="batchmean")


def consistency_loss(
    model: LatentModel, batch: Batch, masked: float, generator: torch.Generator | None
) -> Tensor:
    """KL(p(y | x) || p(y | augmented x)) in nats; p(y | x) is the target and takes no gradient.

    What part of x says of y spreads so to the parts that occur with it, without a label.

    Args:
        model: with an encoder and a coupled prior.
        batch: as for `vat_loss`.
        masked: share of x that is masked at random; see `Encoder.augment`.
        generator: source of all randomness; the same noise of the code on both sides.

    Raises:
        UsageError: as `vat_loss`.
    """
    encoder = model.need_encoder("learning.symbols.consistency")
    x, log_p = _of_embedded(model, batch, "learning.symbols.consistency", generator)
    with torch.no_grad():
        clean = log_p(x)
    augmented = log_p(encoder.augment(x, masked, generator))
    return kl_div(augmented, clean, log_target=True, reduction="batchmean")


def _of_embedded(
    model: LatentModel, batch: Batch, key: str, generator: torch.Generator | None
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The embedding of x, and log p(y | x), (B, C), as a function of the embedding.

    One embedding, so that dropout has one mask for all that is compared; and one noise.
    """
    encoder = model.need_encoder(key)
    x = encoder.embed(batch.x)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise UsageError(f"{key} needs examples of real numbers, which these are not; use 0.")
    noise = normal_like(x.new_zeros(len(x), model.latent_dim), generator)

    def log_p(embedded: Tensor) -> Tensor:
        q = encoder.from_embedded(embedded, batch.x, batch.context)
        logits = cast(Coupled, model.prior).logits(q.mean + q.stddev * noise, batch.context)
        return logits.log_softmax(-1)

    return x, log_p


def _of_length(direction: Tensor, length: Tensor) -> Tensor:
    """Each row scaled to the length of its entry of `length`, (B, 1)."""
    flat = direction.flatten(1)
    scaled: Tensor = length * flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return scaled.view_as(direction)
