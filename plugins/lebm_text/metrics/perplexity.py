"""text.perplexity: samples judged by a language model of real text, and the reverse.

Forward perplexity (FPPL) rewards fluent samples whatever they leave out; reverse perplexity (RPPL)
punishes what they leave out (Zhao et al., ICML 2018, arXiv 1706.04223). FPPL is confounded by
length and by decoding: both are stated with every value, and a value at real lengths is given too.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor

from lebm_core.evaluation.aggregate import decoded_posterior
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.registry.parts import Table
from lebm_core.sequences.dataset import TokenDataset, rows_of
from lebm_text.evaluators.language_model import EvaluatorOptions, score
from lebm_text.evaluators.training import Trained, language_model
from lebm_text.metrics.reverse_perplexity import MULTINOMIAL, reverse_perplexity
from lebm_text.metrics.text_scores import JUDGE, lengths_of, matched, mean_length, perplexity

__all__ = ["Perplexity"]

PUBLISHED_BATCHES, PUBLISHED_BATCH, PUBLISHED_LENGTH = 5, 32, 40
GREEDY = {"decoding": "greedy"}
FORWARD = EvaluatorOptions()


@dataclass(frozen=True)
class Perplexity:
    """The metric text.perplexity; the samples are those of `evaluation.samples`.

    Attributes:
        evaluator: the language model that judges samples
        greedy_samples: samples decoded greedily, as the published code does; 0 leaves them out
        reverse: train a language model on samples and judge real text by it
        reverse_hidden: width of that LSTM
        reverse_epochs: epochs on the samples
        reverse_samples: samples it is trained on; 0 for as many as training sentences
    """

    evaluator: Annotated[EvaluatorOptions, Table()] = FORWARD
    greedy_samples: int = 1000
    reverse: bool = True
    reverse_hidden: int = 256
    reverse_epochs: int = 4
    reverse_samples: int = 0

    @property
    def backward(self) -> EvaluatorOptions:
        """The language model that is trained on samples."""
        return dataclasses.replace(
            self.evaluator, hidden=self.reverse_hidden, epochs=self.reverse_epochs
        )

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return the scores of samples; with the model itself rows "real" and "aggregate" too."""
        data = evaluation.need(TokenDataset, "text.perplexity")
        model, split = evaluation.model, evaluation.split
        judge = language_model(evaluation, data, self.evaluator, data.rows("train"), "real text")
        real = data.rows(split)
        real_tokens = lengths_of(real)
        samples = rows_of(evaluation.samples)
        values = _forward(judge, samples, real_tokens, "samples", MULTINOMIAL)
        if self.greedy_samples and model.latent_dim:
            values |= self._greedy(evaluation, judge)
        if evaluation.name == "model":
            own = _forward(judge, real, real_tokens, split, {})
            own["fppl"].extra["evaluator_valid"] = math.exp(
                min(entry["valid"] for entry in judge.history)
            )
            values |= in_row("real", own)
            if model.latent_dim:
                decoded = decoded_posterior(
                    model, data, len(samples), seed=evaluation.seed, generator=evaluation.generator
                )
                extra = MULTINOMIAL | {"z": "posterior codes of training sentences"}
                aggregate = _forward(judge, decoded, real_tokens, "train", extra)
                values |= in_row("aggregate", aggregate)
        if self.reverse:
            values |= reverse_perplexity(evaluation, data, self.backward, self.reverse_samples)
        return values

    def _greedy(self, evaluation: Evaluation, judge: Trained) -> dict[str, Value]:
        n = self.greedy_samples
        rows = _decode_greedily(evaluation.model, n, evaluation.generator)
        whole = perplexity(-score(judge.model, rows), lengths_of(rows))
        first = [row[:PUBLISHED_LENGTH] for row in rows[: PUBLISHED_BATCHES * PUBLISHED_BATCH]]
        few = perplexity(-score(judge.model, first), lengths_of(first))
        greedy = (
            "Forward perplexity of prior samples decoded greedily: the likeliest word at each "
            "step deflates it, and diversity is lost."
        )
        published = (
            "FLAWED, for comparison with published tables only: greedy decoding, the first "
            f"{PUBLISHED_BATCHES} batches of {PUBLISHED_BATCH}, cut at {PUBLISHED_LENGTH}."
        )
        return {
            "fppl_greedy": Value(*whole, n, "samples", greedy, extra=dict(GREEDY)),
            "fppl_as_published": Value(*few, len(first), "samples", published, extra=dict(GREEDY)),
        }


def _forward(
    judge: Trained, rows: Sequence[Tensor], real_tokens: Tensor, split: str, extra: dict[str, Any]
) -> dict[str, Value]:
    """Forward perplexity, the same at the lengths of real text, and the mean length."""
    nats, tokens = -score(judge.model, rows), lengths_of(rows)
    n = len(rows)
    same = matched(nats, tokens, real_tokens)
    covered = extra | {"share_of_real_tokens_covered": round(same.covered, 4)}
    text = (
        f"The same at the lengths of real text: nats per token {JUDGE}, within each of 10 length "
        "bins of real sentences, weighted by the real tokens of the bin."
    )
    at_lengths = Value(*same.score, n, split, text, extra=covered)
    if same.covered == 0:
        refused = "no bin of real lengths holds two samples"
        at_lengths = Value(None, None, n, split, text, refused, covered)
    return {
        "fppl": Value(
            *perplexity(nats, tokens), n, split,
            f"Forward perplexity: exp of nats per token {JUDGE}.", extra=dict(extra),
        ),
        "fppl_matched": at_lengths,
        "mean_length": mean_length(tokens, split, extra),
    }  # fmt: skip


@torch.no_grad()
def _decode_greedily(
    model: LatentEBM, n: int, generator: torch.Generator | None, batch_size: int = 500
) -> list[Tensor]:
    rows = []
    for first in range(0, n, batch_size):
        z = model.prior.sample(min(batch_size, n - first), generator=generator)
        rows += rows_of(model.decode_mode(z))
    return rows
