"""Few labels: which examples have one, and what labels add to the objective of a coupled prior.

Source: Pang and Wu 2021, arXiv 2108.11556 (coupling, information bottleneck).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import cross_entropy

from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.learning.consistency import inconsistency, roughness
from lebm_core.learning.options import LearningOptions

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["mutual_information", "symbol_terms"]


def symbol_terms(
    model: LatentEBM,
    batch: Batch,
    logits: Tensor,
    options: LearningOptions,
    generator: torch.Generator | None,
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """What a coupled prior adds to the loss of a batch, and figures to log.

    -`mutual_information` I(z; y) + `label_weight` times the cross-entropy of known labels +
    `smoothness` times the divergence of p(y | x) from itself at the worst point near x +
    `consistency` times that from p(y | part of x).

    Args:
        model: its prior is coupled.
        batch: `labelled` holds the examples with labels; where it is None they are those of y.
        logits: F(z), (B, C), of the batch's codes.
        options: the weights.
        generator: source of all randomness.
    """
    information = mutual_information(logits)
    loss = -options.mutual_information * information
    metrics: dict[str, Tensor | float] = {"mutual_information": information.detach()}
    known, y = logits, batch.y
    if batch.labelled is not None:
        z = _code(model, batch.labelled, generator)
        known, y = model.prior.logits(z, batch.labelled.context), batch.labelled.y  # type: ignore[operator]
    if y is not None and bool((y >= 0).any()):
        wrong = cross_entropy(known, y, ignore_index=-1)
        loss = loss + options.label_weight * wrong
        metrics["label_loss"] = wrong.detach()
    if options.smoothness > 0:
        rough = roughness(model, batch, options.smoothness_radius, generator)
        loss = loss + options.smoothness * rough
        metrics["roughness"] = rough.detach()
    if options.consistency > 0:
        apart = inconsistency(model, batch, options.consistency_hidden, generator)
        loss = loss + options.consistency * apart
        metrics["inconsistency"] = apart.detach()
    return loss, metrics


def mutual_information(logits: Tensor) -> Tensor:
    """I(z; y) within the batch, in nats: H(mean p(y|z)) - mean H(p(y|z))."""
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    mean = p.mean(0)
    # Of log 0 only the value would be right, not the gradient.
    return (p * log_p).sum(-1).mean() - (mean * mean.clamp(min=1e-30).log()).sum()


def _code(model: LatentEBM, batch: Batch, generator: torch.Generator | None) -> Tensor:
    """A code of each example; the encoder's lets the gradient through."""
    if model.encoder is None:
        return model.inference(model, batch, generator=generator)
    q: Independent[Normal] = model.encoder(batch.x, batch.context)
    z: Tensor = q.mean + q.stddev * normal_like(q.mean, generator)
    return z
