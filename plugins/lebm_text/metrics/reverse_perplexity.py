"""Reverse perplexity: real text judged by a language model of samples.

Source: Zhao et al., "Adversarially regularized autoencoders", ICML 2018, arXiv 1706.04223.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.sequences.dataset import TokenDataset, rows_of
from lebm_text.evaluators.language_model import EvaluatorOptions, score
from lebm_text.evaluators.training import language_model
from lebm_text.metrics.text_scores import lengths_of, perplexity

__all__ = ["MULTINOMIAL", "judged", "reverse_perplexity"]

MULTINOMIAL = {"decoding": "multinomial", "temperature": 1.0}


def reverse_perplexity(
    evaluation: Evaluation, data: TokenDataset, options: EvaluatorOptions, n_samples: int
) -> dict[str, Value]:
    """Draw samples, train a language model on them, and judge the real split by it.

    With the model itself comes the row "real": the same from as much real text, the floor.

    Args:
        evaluation: the model or baseline.
        data: its data set.
        options: of the language model.
        n_samples: 0 for as many as training sentences.
    """
    n = n_samples or data.length("train")
    real = data.rows(evaluation.split)
    evaluation.log(f"{evaluation.name}: draws {n:,} samples for the reverse perplexity")
    samples = rows_of(evaluation.model.sample(n, generator=evaluation.generator))
    values = judged(evaluation, data, options, samples, real, f"samples of {evaluation.name}")
    for value in values.values():
        value.extra |= MULTINOMIAL
    if evaluation.name == "model":
        rows = subset(data.length("train"), n, evaluation.seed).tolist()
        every = data.rows("train")
        text = [every[i] for i in rows]
        floor = judged(evaluation, data, options, text, real, "as much real text")
        values |= in_row("real", {"rppl": floor["rppl"]})
    return values


def judged(
    evaluation: Evaluation,
    data: TokenDataset,
    options: EvaluatorOptions,
    train: Sequence[Tensor],
    real: Sequence[Tensor],
    what: str,
) -> dict[str, Value]:
    """Return the perplexity of `real` under a model trained on `train`, also as published."""
    judge = language_model(evaluation, data, options, train, what, watch=real)
    score_of = perplexity(-score(judge.model, real), lengths_of(real))
    running = sum(entry["watch"] for entry in judge.history) / len(judge.history)
    n, split, extra = len(real), evaluation.split, {"sentences": len(train)}
    text = (
        "Reverse perplexity: exp of nats per token of real text under an LSTM trained on "
        f"{len(train):,} sentences ({what}); the epoch is chosen on real validation text."
    )
    published = (
        "FLAWED, for comparison with published tables only: the running average over "
        f"{options.epochs} epochs of that LSTM, the first ones included."
    )
    return {
        "rppl": Value(*score_of, n, split, text, extra=dict(extra), better="lower"),
        "rppl_as_published": Value(math.exp(running), None, n, split, published, extra=extra),
    }
