"""text.latent: the information in the code z: active units, KL, mutual information.

Sources: active units, Burda et al., ICLR 2016, arXiv 1509.00519, section 5.2; mutual information
under the encoder, Hoffman and Johnson 2016, "ELBO surgery".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Independent

from lebm_core.base.randomness import fork
from lebm_core.data.dataset import Batch, subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.metrics.text_scores import encodes_points

__all__ = ["Latent", "active_units", "mutual_information"]

ACTIVE = 0.01  # variance over x of the posterior mean beyond which a dimension is in use
UNITS = f"Dimensions of z whose posterior mean varies over x by more than {ACTIVE}"
KL = "KL(q(z|x) || p0) in nats, mean over sentences"
INFORMATION = "I(x; z) under q in nats, from the aggregate over the same sentences"
DETERMINISTIC = "The encoder of an autoencoder gives points: it has no density."


@dataclass(frozen=True)
class Latent:
    """The metric text.latent.

    Attributes:
        latent_sentences: sentences of the split that are encoded; 0 for all
    """

    latent_sentences: int = 2000

    @torch.no_grad()
    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return active units, and KL and mutual information where the encoder has a density."""
        data, model = evaluation.need(TokenDataset, "text.latent"), evaluation.model
        split = evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), self.latent_sentences, evaluation.seed)
        n = len(rows)
        order = data.lengths(split)[rows].argsort(stable=True)
        batches = (data.batch(split, rows[at]).to(model.device) for at in order.split(64))
        if model.encoder is None:
            text = f"{UNITS}: covariance of two chains."
            units = _units_of_chains(evaluation, batches)
            return {"active_units": Value(units, None, n, split, text)}
        codes = [model.encoder(batch.x) for batch in batches]
        mean = torch.cat([q.mean for q in codes])
        values = {"active_units": Value(active_units(mean), None, n, split, f"{UNITS}.")}
        if encodes_points(evaluation):
            for name, text in (("kl", KL), ("mutual_information", INFORMATION)):
                values[name] = Value(None, None, n, split, f"{text}.", DETERMINISTIC)
            return values
        std = torch.cat([q.stddev for q in codes])
        with fork(evaluation.generator):
            z = mean + std * torch.randn_like(mean)
        kl = _log_normal(z, mean, std) - model.prior.reference.log_prob(z)
        values["kl"] = Value.mean(kl, split, f"{KL}; 1 draw of z.")
        values["mutual_information"] = Value(
            mutual_information(z, mean, std), None, n, split,
            f"{INFORMATION}; it cannot exceed log n = {math.log(n):.2f}.",
        )  # fmt: skip
        reference = model.prior.reference
        for name, at in model.decoder.latent_layers.items():
            if isinstance(reference, Independent):  # dimension by dimension
                p0 = reference.base_dist.log_prob(z)[:, at].sum(1)
                kl = _log_normal(z[:, at], mean[:, at], std[:, at]) - p0
                values[f"kl_{name}"] = Value.mean(kl, split, f"{KL}, of the {name} code alone.")
            told = mutual_information(z[:, at], mean[:, at], std[:, at])
            text = f"{INFORMATION}, of the {name} code alone."
            values[f"mutual_information_{name}"] = Value(told, None, n, split, text)
        return values


def _units_of_chains(evaluation: Evaluation, batches: Iterable[Batch]) -> float:
    """Active units of a model without an encoder."""
    first: list[Tensor] = []
    second: list[Tensor] = []
    for batch in batches:  # two draws share the posterior mean and nothing else
        for draws in (first, second):
            draws.append(evaluation.model.posterior(batch.x, generator=evaluation.generator))
    a, b = torch.cat(first), torch.cat(second)
    covariance = ((a - a.mean(0)) * (b - b.mean(0))).mean(0)
    return float((covariance > ACTIVE).sum())


def active_units(mean: Tensor) -> int:
    """Return how many columns of the posterior means (N, d) have a variance above 0.01."""
    return int((mean.var(0) > ACTIVE).sum())


def mutual_information(z: Tensor, mean: Tensor, std: Tensor) -> float:
    """Return the mean of log q(z_i|x_i) - log (1/N) sum_j q(z_i|x_j), in nats; all (N, d)."""
    parts = []
    for rows in torch.arange(len(z)).split(200):
        every = _log_normal(z[rows, None], mean[None], std[None])  # (rows, N)
        parts.append(every.logsumexp(1) - math.log(len(mean)))
    return float((_log_normal(z, mean, std) - torch.cat(parts)).mean())


def _log_normal(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    normal = torch.distributions.Normal(mean, std, validate_args=False)
    density: Tensor = normal.log_prob(z)
    return density.sum(-1)
