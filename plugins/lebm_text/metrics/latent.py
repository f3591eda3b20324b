"""text.latent: what the code z carries: active units, KL, mutual information.

Sources: active units, Burda et al., ICLR 2016, arXiv 1509.00519, section 5.2; mutual information
under the encoder, Hoffman and Johnson 2016, "ELBO surgery".
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.base.randomness import fork
from lebm_core.data.dataset import Batch, subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_text.metrics.base import text_of

__all__ = ["Latent", "active_units", "build", "mutual_information"]

ACTIVE = 0.01  # variance over x of the posterior mean beyond which a dimension is in use
DETERMINISTIC = "The encoder of an autoencoder gives points: it has no density."


def build(*, latent_sentences: int = 2000) -> Latent:
    """The metric text.latent.

    Args:
        latent_sentences: sentences of the split that are encoded; 0 for all
    """
    return Latent(latent_sentences)


@dataclass
class Latent:
    """See `build` for the fields."""

    n_sentences: int

    @torch.no_grad()
    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Active units; KL and mutual information where there is an encoder with a density."""
        model, data, split = evaluation.model, text_of(evaluation), evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), self.n_sentences, evaluation.seed)
        order = data.lengths(split)[rows].argsort(stable=True)
        batches = (data.batch(split, rows[at]).to(model.device) for at in order.split(64))
        units = f"Dimensions of z whose posterior mean varies over x by more than {ACTIVE}"
        n = len(rows)
        if model.encoder is None:
            first, second = [], []
            for batch in batches:  # two draws share the posterior mean and nothing else
                first.append(_draw(evaluation, batch))
                second.append(_draw(evaluation, batch))
            a, b = torch.cat(first), torch.cat(second)
            variance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
            return {
                "active_units": Value(
                    float((variance > ACTIVE).sum()),
                    n=n,
                    split=split,
                    definition=f"{units}: covariance of two chains.",
                )
            }
        codes = [model.encoder(batch.x) for batch in batches]
        mean = torch.cat([q.mean for q in codes])
        values = {
            "active_units": Value(
                float(active_units(mean)), n=n, split=split, definition=f"{units}."
            )
        }
        kl_text = "KL(q(z|x) || p0) in nats, mean over sentences"
        mi_text = "I(x; z) under q in nats, from the aggregate over the same sentences"
        if evaluation.recipe.learning.decoder == "autoencoder":
            for name, text in (("kl", kl_text), ("mutual_information", mi_text)):
                values[name] = Value(
                    None, n=n, split=split, definition=f"{text}.", refused=DETERMINISTIC
                )
            return values
        std = torch.cat([q.stddev for q in codes])
        with fork(evaluation.generator):
            z = mean + std * torch.randn_like(mean)
        log_q = _log_normal(z, mean, std)
        kl = log_q - model.prior.reference.log_prob(z)
        values["kl"] = Value(
            float(kl.mean()),
            float(kl.std()) / math.sqrt(n),
            n,
            split,
            f"{kl_text}; 1 draw of z.",
        )
        values["mutual_information"] = Value(
            mutual_information(z, mean, std),
            n=n,
            split=split,
            definition=f"{mi_text}; it cannot exceed log n = {math.log(n):.2f}.",
        )
        return values


def _draw(evaluation: Evaluation, batch: Batch) -> Tensor:
    return evaluation.model.posterior(batch.x, generator=evaluation.generator)


def active_units(mean: Tensor) -> int:
    """The number of columns of the posterior means (N, d) whose variance exceeds 0.01."""
    return int((mean.var(0) > ACTIVE).sum())


def mutual_information(z: Tensor, mean: Tensor, std: Tensor) -> float:
    """mean of log q(z_i|x_i) - log (1/N) sum_j q(z_i|x_j), in nats; all (N, d)."""
    parts = []
    for rows in torch.arange(len(z)).split(200):
        every = _log_normal(z[rows, None], mean[None], std[None])  # (rows, N)
        parts.append(every.logsumexp(1) - math.log(len(mean)))
    return float((_log_normal(z, mean, std) - torch.cat(parts)).mean())


def _log_normal(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    normal = torch.distributions.Normal(mean, std, validate_args=False)
    density: Tensor = normal.log_prob(z)
    return density.sum(-1)
