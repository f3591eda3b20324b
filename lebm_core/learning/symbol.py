"""Few labels: options of the classes of a coupled prior, and what they add to the objective.

Source: Pang and Wu 2021, arXiv 2108.11556 (coupling, information bottleneck).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import cross_entropy

from lebm_core.base.checks import LARGEST, at_least, whole
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.consistency import Seen, consistency_loss, vat_loss
from lebm_core.priors.protocols import Coupled

__all__ = ["Symbols", "mutual_information", "symbol_terms"]

MOST = 1_000_000  # labelled examples of one step, and clusters


@dataclass(frozen=True)
class Symbols:
    """What a coupled prior learns about classes.

    Attributes:
        labels: training examples that keep their label, as many of each class; 0 for all
        labelled_batch: labelled examples of a step, in addition to the batch, where labels is not 0
        weight: weight of log p(y|z) where labels are known
        information: weight of I(z; y), the information bottleneck
        vat: weight of the virtual adversarial loss of p(y|x), which needs an encoder
        vat_radius: root mean square of the perturbation of x, in its units; for an encoder that
            embeds x, the perturbation's length over that of an average embedded vector
        consistency: weight of the consistency of p(y|x) with p(y|augmented x); needs an encoder
        masked: share of x that the augmentation sets to 0, where the encoder has no other one
        clusters: k-means clusters of the codes that the classes are initialised from, for data
            without labels; 0 for random classes
    """

    labels: int = 0
    labelled_batch: int = 64
    weight: float = 1.0
    information: float = 0.0
    vat: float = 0.0
    vat_radius: float = 0.15
    consistency: float = 0.0
    masked: float = 0.5
    clusters: int = 0

    def __post_init__(self) -> None:
        """Refuse values that are not possible.

        Raises:
            UsageError: naming the key.
        """
        for key, least, most in (
            ("labels", 0, LARGEST), ("labelled_batch", 1, MOST), ("clusters", 0, MOST)
        ):  # fmt: skip
            whole(f"learning.symbols.{key}", getattr(self, key), least, most)
        for key in ("weight", "information", "vat", "vat_radius", "consistency", "masked"):
            at_least(f"learning.symbols.{key}", getattr(self, key), 0)
        if self.masked >= 1:
            raise UsageError(
                f"learning.symbols.masked = {self.masked} hides all of x; use a share below 1."
            )


def symbol_terms(
    model: LatentModel,
    batch: Batch,
    logits: Tensor,
    symbols: Symbols,
    generator: torch.Generator | None,
    seen: Seen | None = None,
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """What a coupled prior adds to the loss of a batch, and numbers to log.

    -`information` I(z; y) + `weight` times the cross-entropy of known labels + `vat` times
    `vat_loss` + `consistency` times `consistency_loss`.

    Args:
        model: its prior is coupled.
        batch: `labelled` holds the examples with labels; where it is None they are those of y.
        logits: F(z), (B, C), of the batch's codes.
        symbols: the weights.
        generator: source of all randomness.
        seen: the batch as the rule has encoded it, so that no loss encodes it again.
    """
    information = mutual_information(logits)
    loss = -symbols.information * information
    metrics: dict[str, Tensor | float] = {"mutual_information": information.detach()}
    known, y = logits, batch.y
    if batch.labelled is not None:
        z, y = _code(model, batch.labelled, generator), batch.labelled.y
        known = cast(Coupled, model.prior).logits(z, batch.labelled.context)
    if y is not None and bool((y >= 0).any()):
        label_loss = cross_entropy(known, y, ignore_index=-1)
        loss = loss + symbols.weight * label_loss
        metrics["label_loss"] = label_loss.detach()
    if symbols.vat > 0:
        vat = vat_loss(model, batch, symbols.vat_radius, generator, seen)
        loss = loss + symbols.vat * vat
        metrics["vat_loss"] = vat.detach()
    if symbols.consistency > 0:
        consistency = consistency_loss(model, batch, symbols.masked, generator, seen)
        loss = loss + symbols.consistency * consistency
        metrics["consistency_loss"] = consistency.detach()
    return loss, metrics


def mutual_information(logits: Tensor) -> Tensor:
    """I(z; y) within the batch, in nats: H(mean p(y|z)) - mean H(p(y|z))."""
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    mean = p.mean(0)
    # Clamped, since log 0 would have no finite gradient.
    return (p * log_p).sum(-1).mean() - (mean * mean.clamp(min=1e-30).log()).sum()


def _code(model: LatentModel, batch: Batch, generator: torch.Generator | None) -> Tensor:
    """A code of each example; the encoder's lets the gradient through."""
    if model.encoder is None:
        return model.inference(model, batch, generator=generator)
    q: Independent[Normal] = model.encoder(batch.x, batch.context)
    z: Tensor = q.mean + q.stddev * normal_like(q.mean, generator)
    return z
