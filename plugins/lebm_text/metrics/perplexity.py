"""text.perplexity: samples judged by a language model of real text, and the reverse.

Forward perplexity (FPPL) rewards fluent samples whatever they leave out; reverse perplexity (RPPL)
punishes what they leave out (Zhao et al., ICML 2018, arXiv 1706.04223). FPPL is confounded by
length and by decoding: both are stated with every figure, and a figure at real lengths stands
beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.evaluation.aggregate import aggregate_rows
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.sequences.dataset import rows_of
from lebm_text.evaluators.cache import Evaluator
from lebm_text.evaluators.language_model import LanguageModelOptions, score
from lebm_text.metrics.base import lengths_of, matched, perplexity, text_of
from lebm_text.metrics.reverse_perplexity import MULTINOMIAL, judge_of, reverse_perplexity

__all__ = ["Perplexity", "build"]

PUBLISHED_BATCHES, PUBLISHED_BATCH, PUBLISHED_LENGTH = 5, 32, 40
GREEDY = {"decoding": "greedy"}


def build(
    *,
    evaluator_embedding: int = 256,
    evaluator_hidden: int = 512,
    evaluator_dropout: float = 0.5,
    evaluator_epochs: int = 12,
    evaluator_batch: int = 32,
    evaluator_lr: float = 3e-3,
    greedy_samples: int = 1000,
    reverse: bool = True,
    reverse_hidden: int = 256,
    reverse_epochs: int = 4,
    reverse_samples: int = 0,
) -> Perplexity:
    """The metric text.perplexity; the samples are those of `evaluation.samples`.

    Args:
        evaluator_embedding: width of the evaluators' embedding
        evaluator_hidden: width of the LSTM that judges samples
        evaluator_dropout: dropout of the evaluators
        evaluator_epochs: epochs on the real training text
        evaluator_batch: sentences in a batch of an evaluator's training
        evaluator_lr: highest learning rate of the evaluators
        greedy_samples: samples decoded greedily, as the published code does; 0 leaves them out
        reverse: train a language model on samples and judge real text by it
        reverse_hidden: width of that LSTM
        reverse_epochs: epochs on the samples
        reverse_samples: samples it is trained on; 0 for as many as training sentences
    """
    forward = LanguageModelOptions(
        embedding=evaluator_embedding,
        hidden=evaluator_hidden,
        dropout=evaluator_dropout,
        epochs=evaluator_epochs,
        batch_size=evaluator_batch,
        lr=evaluator_lr,
    )
    backward = LanguageModelOptions(
        embedding=evaluator_embedding,
        hidden=reverse_hidden,
        dropout=evaluator_dropout,
        epochs=reverse_epochs,
        batch_size=evaluator_batch,
        lr=evaluator_lr,
    )
    return Perplexity(forward, backward if reverse else None, greedy_samples, reverse_samples)


@dataclass
class Perplexity:
    """See `build`; `backward` is None where no reverse perplexity is asked for."""

    forward: LanguageModelOptions
    backward: LanguageModelOptions | None
    greedy_samples: int
    reverse_samples: int

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """The rows model (or control), real and aggregate; the last two with the model only."""
        data, model, split = text_of(evaluation), evaluation.model, evaluation.split
        judge = judge_of(evaluation, self.forward, data.rows("train"), "real text")
        real = data.rows(split)
        real_tokens = lengths_of(real)
        samples = rows_of(evaluation.samples)
        values = self._forward(judge, samples, real_tokens, "samples", MULTINOMIAL)
        if self.greedy_samples and model.latent_dim:
            values |= self._greedy(evaluation, judge)
        if evaluation.name == "model":
            found = self._forward(judge, real, real_tokens, split, {})
            found["fppl"].extra["evaluator_valid"] = math.exp(
                min(entry["valid"] for entry in judge.history)
            )
            values |= {f"real/{name}": value for name, value in found.items()}
            if model.latent_dim:
                codes = aggregate_rows(
                    model, data, len(samples), seed=evaluation.seed, generator=evaluation.generator
                )
                extra = MULTINOMIAL | {"z": "posterior codes of training sentences"}
                found = self._forward(judge, codes, real_tokens, "train", extra)
                values |= {f"aggregate/{name}": value for name, value in found.items()}
        if self.backward is not None:
            values |= reverse_perplexity(evaluation, self.backward, self.reverse_samples)
        return values

    def _forward(
        self,
        judge: Evaluator,
        rows: Sequence[Tensor],
        real_tokens: Tensor,
        split: str,
        extra: dict[str, object],
    ) -> dict[str, Value]:
        nats, tokens = -score(judge.model, rows), lengths_of(rows)
        n = len(rows)
        plain = perplexity(nats, tokens)
        same = matched(nats, tokens, real_tokens)
        by = "under an LSTM language model of the real training text, ends included"
        spread = float(tokens.double().std()) / math.sqrt(n) if n > 1 else None
        covered = extra | {"share_of_real_tokens_covered": round(same.covered, 4)}
        return {
            "fppl": Value(
                plain.value,
                plain.error,
                n,
                split,
                f"Forward perplexity: exp of nats per token {by}.",
                extra=dict(extra),
            ),
            "fppl_matched": Value(
                None if same.covered == 0 else same.figure.value,
                None if same.covered == 0 else same.figure.error,
                n,
                split,
                f"The same at the lengths of real text: nats per token {by}, within each of 10 "
                "length bins of real sentences, weighted by the real tokens of the bin.",
                refused="no bin of real lengths holds two samples" if same.covered == 0 else None,
                extra=covered,
            ),
            "mean_length": Value(
                float(tokens.double().mean()),
                spread,
                n,
                split,
                "Mean tokens of a sentence, its end included.",
                extra=dict(extra),
            ),
        }

    def _greedy(self, evaluation: Evaluation, judge: Evaluator) -> dict[str, Value]:
        n = self.greedy_samples
        rows = _decode_greedily(evaluation.model, n, evaluation.generator)
        whole = perplexity(-score(judge.model, rows), lengths_of(rows))
        first = [row[:PUBLISHED_LENGTH] for row in rows[: PUBLISHED_BATCHES * PUBLISHED_BATCH]]
        few = perplexity(-score(judge.model, first), lengths_of(first))
        return {
            "fppl_greedy": Value(
                whole.value,
                whole.error,
                n,
                "samples",
                "Forward perplexity of prior samples decoded greedily: the likeliest word at each "
                "step deflates it, and diversity is lost.",
                extra=dict(GREEDY),
            ),
            "fppl_as_published": Value(
                few.value,
                few.error,
                len(first),
                "samples",
                "FLAWED, for comparison with published tables only: greedy decoding, the first "
                f"{PUBLISHED_BATCHES} batches of {PUBLISHED_BATCH}, cut at {PUBLISHED_LENGTH}.",
                extra=dict(GREEDY),
            ),
        }


@torch.no_grad()
def _decode_greedily(
    model: LatentEBM, n: int, generator: torch.Generator | None, batch_size: int = 500
) -> list[Tensor]:
    rows = []
    for first in range(0, n, batch_size):
        z = model.prior.sample(min(batch_size, n - first), generator=generator)
        rows += rows_of(model.decode_mode(z))
    return rows
