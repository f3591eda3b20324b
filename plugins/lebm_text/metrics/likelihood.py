"""text.likelihood: log p(x) of sentences, its bound, log Z twice, and the published estimator.

Source: importance sampling, Burda et al., ICLR 2016, arXiv 1509.00519.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lebm_core.data.dataset import Batch, subset
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.metrics.base import Figure, perplexity, text_of
from lebm_text.metrics.importance import draws_of, self_normalised

__all__ = ["Likelihood", "build"]

POINTS = (
    "An autoencoder's encoder gives points: it is no proposal for importance sampling, and the "
    "decoder was trained on those points alone."
)
LEAST_ESS = 2.0  # effective codes a sentence (the median) below which no likelihood is given
TOKENS = 8000  # decoded at once: their logits over 10,000 words take 320 MB
NLL = "-log p(x) in nats a sentence, its end included"


def build(
    *,
    likelihood_samples: int = 50,
    likelihood_sentences: int = 0,
    likelihood_batch: int = 32,
    log_z_samples: int = 10_000,
    published_sentences: int = 500,
) -> Likelihood:
    """The metric text.likelihood.

    Args:
        likelihood_samples: importance samples for each sentence
        likelihood_sentences: use only so many sentences of the split; 0 for all
        likelihood_batch: sentences at once
        log_z_samples: draws for log Z by importance sampling, ten times those of AIS
        published_sentences: sentences for the estimator as published; 0 leaves it out
    """
    return Likelihood(
        likelihood_samples,
        likelihood_sentences,
        likelihood_batch,
        log_z_samples,
        published_sentences,
    )


@dataclass
class Likelihood:
    """See `build` for the fields."""

    n_samples: int
    n_sentences: int
    batch_size: int
    log_z_samples: int
    n_published: int

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """NLL, perplexity, bound and log Z; refused with the reason where log Z is not known."""
        data, model, split = text_of(evaluation), evaluation.model, evaluation.split
        rows = subset(data.length(split), self.n_sentences, evaluation.seed)
        values: dict[str, Value] = {}
        if evaluation.recipe.learning.decoder == "autoencoder" and model.latent_dim:
            return {
                name: Value(None, n=len(rows), split=split, definition=NLL, refused=POINTS)
                for name in ("nll", "perplexity", "bound")
            }
        try:
            first, second = checked_log_z(
                model.prior, n_samples=self.log_z_samples, generator=evaluation.generator
            )
        except UnsupportedEstimate as error:
            for name in ("nll", "perplexity", "bound", "log_z"):
                values[name] = Value(
                    None, n=len(rows), split=split, definition=NLL, refused=str(error)
                )
        else:
            values["log_z"] = Value(
                float(first),
                float(first.standard_error),
                n=first.n_samples,
                split=split,
                definition=f"log Z in nats by {first.method}; AIS and its error beside it.",
                extra={"ais": float(second), "ais_error": float(second.standard_error)}
                | {f"ess_{e.method}": float(e.ess) for e in (first, second) if e.ess is not None},
            )
            values |= self._sentences(evaluation, data, rows, first)
        if self.n_published and model.encoder is not None:
            some = rows[subset(len(rows), self.n_published, evaluation.seed)]
            values["nll_as_published"] = self._published(evaluation, data, some)
        return values

    def _sentences(
        self, evaluation: Evaluation, data: TokenDataset, rows: Tensor, norm: Estimate
    ) -> dict[str, Value]:
        model, split, generator = evaluation.model, evaluation.split, evaluation.generator
        found = {k: torch.zeros(len(rows), dtype=torch.float64) for k in ("nll", "error", "bound")}
        ess: list[Tensor] = []
        for at, batch in self._batches(evaluation, data, rows):
            estimate = model.log_prob(
                batch.x,
                n_samples=self.n_samples,
                log_z=norm,
                generator=generator,
                chunk=TOKENS // batch.x.shape[1],
            )
            found["nll"][at] = -estimate.value.double().cpu()
            # The error of log Z is common to all sentences: it is added once, below.
            own = estimate.standard_error.double().cpu() ** 2 - float(norm.standard_error) ** 2
            found["error"][at] = own.clamp(min=0)
            if estimate.ess is not None:
                ess.append(estimate.ess.cpu())
            if model.encoder is not None and model.latent_dim:
                found["bound"][at] = -(draws_of(model, batch, 1, generator).elbo() - float(norm))
        nll, tokens = found["nll"], data.lengths(split)[rows]
        exact = not ess
        how = "exact" if exact else f"{self.n_samples} importance samples from the encoder"
        if model.encoder is None and not exact:
            how = f"{self.n_samples} importance samples from a Gaussian fitted to posterior chains"
        monte_carlo = math.hypot(
            float(found["error"].sum().sqrt()) / len(rows), float(norm.standard_error)
        )
        extra = {
            "estimator": how,
            "tokens": int(tokens.sum()),
            "monte_carlo_error": monte_carlo,
            "nll_per_token": float(nll.sum() / tokens.sum()),
        }
        refused = None
        if not exact:
            extra["median_ess"] = median = float(torch.cat(ess).median())
            if median < LEAST_ESS:
                refused = (
                    f"Half of the sentences rest on fewer than {median:.2g} effective codes of "
                    f"{self.n_samples}: the proposal misses the posterior. More "
                    "evaluation.likelihood_samples, or a better encoder, are needed."
                )
        bound = {}
        if model.encoder is not None and model.latent_dim:
            bound["bound"] = _mean(
                found["bound"],
                split,
                "Variational upper bound on the NLL a sentence, log Z included; 1 draw of z.",
                {},
            )
        n = len(rows)
        if refused is not None:
            none = Value(None, n=n, split=split, definition=NLL, refused=refused, extra=extra)
            return {"nll": none, "perplexity": none, **bound}
        ppl = perplexity(nll, tokens)
        return {
            "nll": _mean(nll, split, f"{NLL}, {how}; the error is over sentences.", extra),
            "perplexity": Value(
                ppl.value,
                ppl.error,
                n,
                split,
                f"exp of the nats per token, ends included; {how}.",
                extra=extra,
            ),
            **bound,
            **_paired(evaluation, nll, rows),
        }

    def _published(self, evaluation: Evaluation, data: TokenDataset, rows: Tensor) -> Value:
        nll = torch.zeros(len(rows), dtype=torch.float64)
        for at, batch in self._batches(evaluation, data, rows):
            draws = draws_of(evaluation.model, batch, self.n_samples, evaluation.generator)
            nll[at] = -self_normalised(draws.likelihood, draws.prior - draws.proposal).cpu()
        return _mean(
            nll,
            evaluation.split,
            "FLAWED, for comparison with published tables only: weights normalised over the "
            "proposals of the same sentence, so that Z is not estimated and log p is overstated.",
            {"samples": self.n_samples},
        )

    def _batches(
        self, evaluation: Evaluation, data: TokenDataset, rows: Tensor
    ) -> Iterator[tuple[Tensor, Batch]]:
        """Places within `rows` and their sentences, by length."""
        order = data.lengths(evaluation.split)[rows].argsort(stable=True)
        for at in order.split(self.batch_size):
            yield at, data.batch(evaluation.split, rows[at]).to(evaluation.model.device)


def _mean(values: Tensor, split: str, definition: str, extra: dict[str, object]) -> Value:
    figure = Figure(float(values.mean()), float(values.std()) / math.sqrt(len(values)))
    return Value(figure.value, figure.error, len(values), split, definition, extra=dict(extra))


def _paired(evaluation: Evaluation, nll: Tensor, rows: Tensor) -> dict[str, Value]:
    """Keeps the sentences' NLL for the other rows of the table; a control is held against it."""
    kept = evaluation.cache / f"nll-{evaluation.split}.safetensors"
    if evaluation.name == "model":
        evaluation.cache.mkdir(parents=True, exist_ok=True)
        save_file({"nll": nll, "rows": rows}, kept)
        return {}
    if not kept.is_file():
        return {}
    model = load_file(kept)
    if not torch.equal(model["rows"], rows):
        return {}
    text = "NLL a sentence of this row minus the model's, in nats, paired over sentences."
    return {"nll_minus_model": _mean(nll - model["nll"], evaluation.split, text, {})}
