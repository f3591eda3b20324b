"""Maximum likelihood with a posterior chain (Pang et al. 2020, Algorithm 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lebm_core.data.dataset import Batch
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import Codes
from lebm_core.learning.symbol import symbol_terms

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["mcmc"]


def mcmc(
    model: LatentEBM,
    batch: Batch,
    options: LearningOptions,
    progress: float,
    generator: torch.Generator | None,
) -> Codes:
    """Maximum likelihood with a posterior chain (Pang et al. 2020, Algorithm 1).

    The decoder ascends E[log p(x|z)]. An encoder, where there is one, is taught by the chain's
    end: it ascends log q(z|x). For a coupled prior `symbol_terms` are added.
    """
    if model.latent_dim == 0:  # the plain model: its posterior is the empty vector
        z = model.prior.draw_reference(len(batch.x), generator)
    else:
        z = model.inference(model, batch, generator=generator)
    nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
    losses = {"decoder": nll}
    if model.encoder is not None:
        losses["encoder"] = -model.encoder(batch.x, batch.context).log_prob(z).mean()
    metrics: dict[str, Tensor | float] = {"reconstruction": nll.detach()}
    if model.prior.n_classes:
        logits = model.prior.logits(z, batch.context)  # type: ignore[operator]
        losses["labels"], told = symbol_terms(model, batch, logits, options, generator)
        metrics.update(told)
    return Codes(z, losses, metrics)
