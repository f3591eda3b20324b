"""Decoder rule "autoencoder": a regularised autoencoder (Ghosh et al. 2020, arXiv 1903.12436)."""

from __future__ import annotations

import torch
from torch.distributions import Independent, Normal

from lebm_core.base.checks import at_least
from lebm_core.base.modules import Configured
from lebm_core.data.dataset import Batch
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.rules import Codes, DecoderRule
from lebm_core.learning.symbol import Symbols

__all__ = ["Autoencoder"]


class Autoencoder(Configured, DecoderRule):
    """Deterministic codes with an L2 penalty (Ghosh et al. 2020, eq. 6).

    Args:
        code_penalty: weight of half the squared length of the codes

    Raises:
        UsageError: for a penalty below 0.
    """

    needs_encoder = True
    uses_tilt = False
    learns_labels = False

    def __init__(self, code_penalty: float = 1e-2) -> None:
        at_least("learning.decoder.code_penalty", code_penalty, 0)
        self.code_penalty = code_penalty

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        encoder = model.need_encoder("The autoencoder rule")
        q: Independent[Normal] = encoder(batch.x, batch.context)
        z = q.mean
        nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
        penalty = self.code_penalty * 0.5 * z.square().sum(-1).mean()
        losses = {"decoder": nll, "encoder": penalty}
        return Codes(z.detach(), losses, {"reconstruction": nll.detach()})
