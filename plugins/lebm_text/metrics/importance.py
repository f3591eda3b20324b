"""Draws of q(z|x) for log p(x): the variational bound, and the estimator as published.

Source of the latter: the public code of Pang and Wu, "Latent space energy-based model of
symbol-vector coupling", ICML 2021.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.base.randomness import fork
from lebm_core.data.dataset import Batch
from lebm_core.latent.parts import LatentModel

__all__ = ["Draws", "draws_of", "self_normalised"]


class Draws(NamedTuple):
    """S draws of z ~ q(z|x) for B sentences; each (S, B), in nats. The prior's lacks log Z."""

    likelihood: Tensor
    prior: Tensor
    proposal: Tensor

    def elbo(self) -> Tensor:
        """Return the bound without log Z, (B,): the mean of log p(x, z) - log q(z|x)."""
        return (self.likelihood + self.prior - self.proposal).double().mean(0).cpu()


@torch.no_grad()
def draws_of(
    model: LatentModel, batch: Batch, n_samples: int, generator: torch.Generator | None
) -> Draws:
    """Draw `n_samples` codes of each sentence of the batch."""
    q = model.need_encoder("The bound")(batch.x)
    with fork(generator):
        z = q.sample((n_samples,))
    log_likelihood = model.decoder.likelihood(batch.x)
    likelihood = torch.stack([log_likelihood(each) for each in z])
    prior = torch.stack([model.prior.log_prob(each) for each in z])
    return Draws(likelihood, prior, q.log_prob(z))


def self_normalised(log_likelihood: Tensor, log_weights: Tensor) -> Tensor:
    """Return the published estimate of log p(x), kept to show its error.

    sum_s w_s p(x|z_s) / sum_s w_s with w_s = p(z_s) / q(z_s|x): the denominator estimates 1 only
    where q covers the prior, and q of one sentence does not, so log p(x) is overstated.

    Args:
        log_likelihood: (S, B) log p(x|z_s).
        log_weights: (S, B) log p(z_s) - log q(z_s|x), up to a constant.

    Returns:
        (B,).
    """
    weights = log_weights.double()
    return (weights + log_likelihood.double()).logsumexp(0) - weights.logsumexp(0)
