"""The rule "joint.walkback": a denoising autoencoder, from corruptions near the data and far.

Source: Bengio et al., "Generalized denoising auto-encoders as generative models", NeurIPS 2013,
arXiv 1305.6663 (section 4, Algorithm 1).
"""

from __future__ import annotations

from typing import Any

import torch

from lebm_core.base.checks import whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import draw
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.rules import Metrics, Outcome, Rule
from lebm_foils.models.denoising import DenoisingAutoencoder

__all__ = ["Walkback"]


class Walkback(Configured, Rule):
    """-log p(x | corrupted x), and of what the model's own chain makes of x in some steps.

    The chain walks away from x by its own errors, and learns to come back: a mode that it would
    stay in, where there are no data, is found and removed.

    Args:
        walkback: steps of the chain after the first corruption, from each of which x is to be
            drawn again; 0 is plain denoising

    Raises:
        UsageError: for a number that is not possible.
    """

    def __init__(self, walkback: int = 0) -> None:
        self.walkback = whole("learning.walkback", walkback, 0, 1000)

    def check(self, model: Any) -> None:
        """Refuse a model of another family.

        Raises:
            UsageError: naming the family.
        """
        if not isinstance(model, DenoisingAutoencoder):
            raise UsageError(
                'learning.name = "joint.walkback" teaches the model "denoising-autoencoder" '
                f"(model.name), and this one is a {type(model).__name__}."
            )

    def __call__(
        self,
        model: Any,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        self.check(model)
        x, at, terms = batch.x, batch.x, []
        for step in range(self.walkback + 1):
            p = model.denoised(model.corrupt(at, generator))
            terms.append(-p.log_prob(x).mean())
            if step < self.walkback:
                with torch.no_grad():
                    at = model.bounded(draw(p, generator))
        metrics: Metrics = {"denoising": terms[0].detach(), "walkback": terms[-1].detach()}
        return Outcome({"decoder": torch.stack(terms).mean()}, metrics)
