"""The learning rule of a regularised autoencoder (Ghosh et al. 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.distributions import Independent, Normal

from lebm_core.data.dataset import Batch
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import Codes

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["autoencoder"]


def autoencoder(
    model: LatentEBM,
    batch: Batch,
    options: LearningOptions,
    progress: float,
    generator: torch.Generator | None,
) -> Codes:
    """A regularised autoencoder (Ghosh et al. 2020, eq. 6): deterministic codes, L2 on them."""
    q: Independent[Normal] = model.need_encoder("The autoencoder rule")(batch.x, batch.context)
    z = q.mean
    nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
    penalty = options.code_penalty * 0.5 * z.square().sum(-1).mean()
    return Codes(z.detach(), {"decoder": nll, "encoder": penalty}, {"reconstruction": nll.detach()})
