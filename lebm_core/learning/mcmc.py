"""Decoder rule "mcmc": maximum likelihood with posterior chains (Pang et al. 2020, Algorithm 1).

With f = 0 it is short-run inference or alternating back-propagation.
"""

from __future__ import annotations

from typing import cast

import torch

from lebm_core.base.modules import Configured
from lebm_core.data.dataset import Batch
from lebm_core.latent.inference import LearnedInference
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.rules import Codes, DecoderRule, Metrics
from lebm_core.learning.symbol import Symbols, symbol_terms
from lebm_core.priors.protocols import Coupled

__all__ = ["MCMC"]


class MCMC(Configured, DecoderRule):
    """The decoder ascends E[log p(x|z)], z drawn by the model's inference.

    An encoder, where there is one, learns from the chain's end: it ascends log q(z|x). So does an
    inference with a network of its own. For a coupled prior `symbol_terms` are added.
    """

    learns_inference = True

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        if model.latent_dim == 0:  # the plain model: its posterior is the empty vector
            z = model.prior.draw_reference(len(batch.x), generator)
        else:
            z = model.inference(model, batch, generator=generator)
        nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
        losses = {"decoder": nll}
        if model.encoder is not None:
            losses["encoder"] = -model.encoder(batch.x, batch.context).log_prob(z).mean()
        if isinstance(model.inference, LearnedInference) and model.latent_dim:
            losses["inference"] = model.inference.loss(model, batch, z, generator)
        metrics: Metrics = {"reconstruction": nll.detach()}
        if model.prior.n_classes:
            logits = cast(Coupled, model.prior).logits(z, batch.context)
            losses["labels"], more = symbol_terms(model, batch, logits, symbols, generator)
            metrics.update(more)
        return Codes(z, losses, metrics)
