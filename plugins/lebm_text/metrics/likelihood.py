"""text.likelihood: log p(x) of sentences, its bound, log Z twice, and the published estimator.

Source: importance sampling, Burda et al., ICLR 2016, arXiv 1509.00519.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lebm_core.base.files import replace_file
from lebm_core.data.dataset import Batch, subset
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.metrics.importance import draws_of, self_normalised
from lebm_text.metrics.text_scores import encodes_points, perplexity

__all__ = ["Likelihood"]

POINTS = (
    "An autoencoder's encoder gives points: it is no proposal for importance sampling, and the "
    "decoder was trained on those points alone."
)
LEAST_ESS = 2.0  # effective codes a sentence (the median) below which no likelihood is given
TOKENS = 8000  # decoded at once: their logits over 10,000 words take 320 MB
NLL = "-log p(x) in nats a sentence, its end included"
BOUND = "Variational upper bound on the NLL a sentence, log Z included; 1 draw of z."
PUBLISHED = (
    "FLAWED, for comparison with published tables only: weights normalised over the proposals of "
    "the same sentence, so that Z is not estimated and log p is overstated."
)


@dataclass(frozen=True)
class Likelihood:
    """The metric text.likelihood.

    Attributes:
        likelihood_samples: importance samples for each sentence
        likelihood_sentences: use only so many sentences of the split; 0 for all
        likelihood_batch: sentences at once
        log_z_samples: draws for log Z by importance sampling, ten times those of AIS
        published_sentences: sentences for the estimator as published; 0 leaves it out
    """

    likelihood_samples: int = 50
    likelihood_sentences: int = 0
    likelihood_batch: int = 32
    log_z_samples: int = 10_000
    published_sentences: int = 500

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return NLL, perplexity, bound and log Z; refused where log Z is not known."""
        data = evaluation.need(TokenDataset, "text.likelihood")
        model, split = evaluation.model, evaluation.split
        rows = subset(data.length(split), self.likelihood_sentences, evaluation.seed)
        n = len(rows)
        if encodes_points(evaluation) and model.latent_dim:
            return _refused(("nll", "perplexity", "bound"), n, split, POINTS)
        values: dict[str, Value] = {}
        try:
            first, second = checked_log_z(
                model.prior, n_samples=self.log_z_samples, generator=evaluation.generator
            )
        except UnsupportedEstimate as error:
            values |= _refused(("nll", "perplexity", "bound", "log_z"), n, split, str(error))
        else:
            values["log_z"] = _log_z(first, second, split)
            values |= self._sentences(evaluation, data, rows, first)
        if self.published_sentences and model.encoder is not None:
            some = rows[subset(n, self.published_sentences, evaluation.seed)]
            values["nll_as_published"] = self._published(evaluation, data, some)
        return values

    def _sentences(
        self, evaluation: Evaluation, data: TokenDataset, rows: Tensor, norm: Estimate
    ) -> dict[str, Value]:
        """NLL, perplexity and bound of the sentences with these row numbers."""
        model, split, generator = evaluation.model, evaluation.split, evaluation.generator
        n = len(rows)
        nll, variance, bound = (torch.zeros(n, dtype=torch.float64) for _ in range(3))
        ess: list[Tensor] = []
        bounded = model.encoder is not None and model.latent_dim > 0
        for at, batch in self._batches(evaluation, data, rows):
            estimate = model.log_prob(
                batch.x,
                n_samples=self.likelihood_samples,
                log_z=norm,
                generator=generator,
                chunk=TOKENS // batch.x.shape[1],
            )
            nll[at] = -estimate.value.double().cpu()
            # The error of log Z is common to all sentences: it is added once, below.
            own = estimate.standard_error.double().cpu() ** 2 - float(norm.standard_error) ** 2
            variance[at] = own.clamp(min=0)
            if estimate.ess is not None:
                ess.append(estimate.ess.cpu())
            if bounded:
                bound[at] = -(draws_of(model, batch, 1, generator).elbo() - float(norm))
        tokens = data.lengths(split)[rows]
        how = self._estimator(exact=not ess, encoder=model.encoder is not None)
        extra: dict[str, Any] = {
            "estimator": how,
            "tokens": int(tokens.sum()),
            "monte_carlo_error": math.hypot(
                float(variance.sum().sqrt()) / n, float(norm.standard_error)
            ),
            "nll_per_token": float(nll.sum() / tokens.sum()),
        }
        bounds = {"bound": Value.mean(bound, split, BOUND, better="lower")} if bounded else {}
        if ess:
            extra["median_ess"] = median = float(torch.cat(ess).median())
            if median < LEAST_ESS:
                reason = (
                    f"Half of the sentences rest on fewer than {median:.2g} effective codes of "
                    f"{self.likelihood_samples}: the proposal misses the posterior. More "
                    "evaluation.likelihood_samples, or a better encoder, are needed."
                )
                return _refused(("nll", "perplexity"), n, split, reason, extra) | bounds
        text = f"exp of the nats per token, ends included; {how}."
        return {
            "nll": Value.mean(
                nll, split, f"{NLL}, {how}; the error is over sentences.", extra, better="lower"
            ),
            "perplexity": Value(
                *perplexity(nll, tokens), n, split, text, extra=dict(extra), better="lower"
            ),
            **bounds,
            **_paired(evaluation, nll, rows),
        }

    def _estimator(self, *, exact: bool, encoder: bool) -> str:
        if exact:
            return "exact"
        if encoder:
            return f"{self.likelihood_samples} importance samples from the encoder"
        return (
            f"{self.likelihood_samples} importance samples from a Gaussian fitted to posterior "
            "chains"
        )

    def _published(self, evaluation: Evaluation, data: TokenDataset, rows: Tensor) -> Value:
        nll = torch.zeros(len(rows), dtype=torch.float64)
        for at, batch in self._batches(evaluation, data, rows):
            draws = draws_of(evaluation.model, batch, self.likelihood_samples, evaluation.generator)
            nll[at] = -self_normalised(draws.likelihood, draws.prior - draws.proposal).cpu()
        return Value.mean(nll, evaluation.split, PUBLISHED, {"samples": self.likelihood_samples})

    def _batches(
        self, evaluation: Evaluation, data: TokenDataset, rows: Tensor
    ) -> Iterator[tuple[Tensor, Batch]]:
        """Yield places within `rows` and their sentences, by length."""
        order = data.lengths(evaluation.split)[rows].argsort(stable=True)
        for at in order.split(self.likelihood_batch):
            yield at, data.batch(evaluation.split, rows[at]).to(evaluation.model.device)


def _refused(
    names: tuple[str, ...], n: int, split: str, reason: str, extra: dict[str, Any] | None = None
) -> dict[str, Value]:
    return {
        name: Value(
            None, None, n, split, NLL, reason, dict(extra or {}),
            better="" if name == "log_z" else "lower",
        )
        for name in names
    }  # fmt: skip


def _log_z(first: Estimate, second: Estimate, split: str) -> Value:
    return Value(
        float(first),
        float(first.standard_error),
        first.n_samples,
        split,
        f"log Z in nats by {first.method}, with the estimate and the error by AIS.",
        extra={"ais": float(second), "ais_error": float(second.standard_error)}
        | {f"ess_{e.method}": float(e.ess) for e in (first, second) if e.ess is not None},
    )


def _paired(evaluation: Evaluation, nll: Tensor, rows: Tensor) -> dict[str, Value]:
    """Keep the model's NLL of each sentence; of a baseline return the difference from it."""
    file = evaluation.cache / f"nll-{evaluation.split}.safetensors"
    if evaluation.name == "model":
        evaluation.cache.mkdir(parents=True, exist_ok=True)
        replace_file(file, lambda path: save_file({"nll": nll, "rows": rows}, path))
        return {}
    if not file.is_file():
        return {}
    try:
        model = load_file(file)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{file} is damaged: the model must be evaluated again.") from error
    if not torch.equal(model["rows"], rows):
        return {}
    text = "NLL a sentence of this row minus the model's, in nats, paired over sentences."
    return {"nll_minus_model": Value.mean(nll - model["nll"], evaluation.split, text)}
