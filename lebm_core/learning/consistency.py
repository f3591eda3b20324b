"""What p(y | x) of a coupled prior is to be like between examples: the same nearby, and of a part.

Sources: Miyato et al. 2018, arXiv 1704.03976 (virtual adversarial training); Xie et al. 2020,
arXiv 1904.12848 (consistency training).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import kl_div

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["inconsistency", "roughness"]

PROBE = 1e-2  # length of the step that finds the worst direction, per square root of an entry


def roughness(
    model: LatentEBM, batch: Batch, radius: float, generator: torch.Generator | None
) -> Tensor:
    """KL(p(y | x) || p(y | x + r)) in nats, r the worst of its length (Miyato et al. 2018, eq. 8).

    Args:
        model: with an encoder.
        batch: examples of real numbers, or such that the encoder's `embed` makes numbers of.
        radius: root mean square of r, in the units of x; missing values, NaN, stay missing. Where
            the encoder embeds x, the length of r over that of an average word, which no growing
            of the embedding can escape.
        generator: source of all randomness; the same noise of the code on both sides.

    Raises:
        UsageError: where neither x nor what the encoder makes of it is of real numbers, or there
            is no encoder.
    """
    x, log_p = _of_embedded(model, batch, "smoothness", generator)
    with torch.no_grad():
        there = log_p(x)
    seen = ~x.isnan()
    own = x is batch.x
    length = seen.flatten(1).sum(1, keepdim=True).sqrt() if own else _word_length(x)
    probe = _of_length(normal_like(x.detach(), generator) * seen, PROBE * length).requires_grad_()
    with frozen(model.need_encoder("learning.smoothness"), model.prior):
        away = kl_div(log_p(x.detach() + probe), there, log_target=True, reduction="sum")
        (worst,) = torch.autograd.grad(away, probe)
    moved = log_p(x + _of_length(torch.where(seen, worst, 0.0), radius * length))
    found: Tensor = kl_div(moved, there, log_target=True, reduction="batchmean")
    return found


def inconsistency(
    model: LatentEBM, batch: Batch, hidden: float, generator: torch.Generator | None
) -> Tensor:
    """KL(p(y | x) || p(y | part of x)) in nats; the whole teaches the part, not the reverse.

    What words say of y spreads so to those that stand with them, without a label.

    Args:
        model: with an encoder.
        batch: as for `roughness`.
        hidden: share of x that is hidden at random; see `Encoder.part`.
        generator: source of all randomness; the same noise of the code on both sides.

    Raises:
        UsageError: as `roughness`.
    """
    x, log_p = _of_embedded(model, batch, "consistency", generator)
    with torch.no_grad():
        there = log_p(x)
    part = model.need_encoder("learning.consistency").part(x, hidden, generator)
    found: Tensor = kl_div(log_p(part), there, log_target=True, reduction="batchmean")
    return found


def _of_embedded(
    model: LatentEBM, batch: Batch, key: str, generator: torch.Generator | None
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """x as the encoder embeds it, and log p(y | x), (B, C), of what is embedded elsewhere.

    One embedding, so that dropout has one mask for all that is compared; and one noise.
    """
    encoder = model.need_encoder(f"learning.{key}")
    x = encoder.embed(batch.x)
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise UsageError(f"learning.{key} needs examples of real numbers; set it to 0.")
    noise = normal_like(x.new_zeros(len(x), model.latent_dim), generator)

    def log_p(at: Tensor) -> Tensor:
        q = encoder.from_embedded(at, batch.x, batch.context)
        logits: Tensor = model.prior.logits(q.mean + q.stddev * noise, batch.context)  # type: ignore[operator]
        found: Tensor = logits.log_softmax(-1)
        return found

    return x, log_p


def _word_length(embedded: Tensor) -> Tensor:
    """Root mean square length of each example's words that are not 0, (B, 1).

    Args:
        embedded: (B, T, E) vectors of words, or (B, V) weights of them.
    """
    lengths = embedded.detach().flatten(2).norm(dim=2) if embedded.ndim > 2 else embedded.detach()
    many = (lengths != 0).sum(1, keepdim=True).clamp(min=1)
    found: Tensor = lengths.norm(dim=1, keepdim=True) / many.sqrt()
    return found


def _of_length(direction: Tensor, length: Tensor) -> Tensor:
    """Each row made as long as its entry of `length`, (B, 1)."""
    flat = direction.flatten(1)
    scaled = length * flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-12)
    found: Tensor = scaled.view_as(direction)
    return found
