"""Reverse perplexity: real text judged by a language model of samples.

Source: Zhao et al., "Adversarially regularized autoencoders", ICML 2018, arXiv 1706.04223.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import rows_of
from lebm_text.evaluators.cache import Evaluator, evaluator
from lebm_text.evaluators.language_model import LanguageModelOptions, score
from lebm_text.metrics.base import lengths_of, perplexity, text_of

__all__ = ["MULTINOMIAL", "judge_of", "judged", "reverse_perplexity"]

MULTINOMIAL = {"decoding": "multinomial", "temperature": 1.0}


def judge_of(
    evaluation: Evaluation,
    options: LanguageModelOptions,
    train: Sequence[Tensor],
    what: str,
    watch: Sequence[Tensor] = (),
) -> Evaluator:
    """The language model trained on `train`, kept in the cache that a run's rows share."""
    data = text_of(evaluation)
    return evaluator(
        train,
        data.rows("valid"),
        len(data.tokenizer),
        options,
        cache=evaluation.cache / "evaluators",
        what=what,
        watch=watch,
        device=evaluation.model.device,
        log=evaluation.log,
    )


def reverse_perplexity(
    evaluation: Evaluation, options: LanguageModelOptions, n_samples: int
) -> dict[str, Value]:
    """Draws samples, trains a language model on them, and judges the real split by it.

    With the model itself comes the row "real": the same from as much real text, the floor.

    Args:
        evaluation: the model or control.
        options: of the language model.
        n_samples: 0 for as many as training sentences.
    """
    data, split = text_of(evaluation), evaluation.split
    n = n_samples or data.length("train")
    real = data.rows(split)
    evaluation.log(f"{evaluation.name}: draws {n:,} samples for the reverse perplexity")
    samples = rows_of(evaluation.model.sample(n, generator=evaluation.generator))
    values = judged(evaluation, options, samples, real, f"samples of {evaluation.name}")
    for value in values.values():
        value.extra |= MULTINOMIAL
    if evaluation.name == "model":
        rows = subset(data.length("train"), n, evaluation.seed).tolist()
        every = data.rows("train")
        text = [every[i] for i in rows]
        found = judged(evaluation, options, text, real, "as much real text")
        values["real/rppl"] = found["rppl"]
    return values


def judged(
    evaluation: Evaluation,
    options: LanguageModelOptions,
    train: Sequence[Tensor],
    real: Sequence[Tensor],
    what: str,
) -> dict[str, Value]:
    """The perplexity of `real` under a language model trained on `train`, honest and published."""
    found = judge_of(evaluation, options, train, what, watch=real)
    figure = perplexity(-score(found.model, real), lengths_of(real))
    running = sum(entry["watch"] for entry in found.history) / len(found.history)
    trained = f"trained on {len(train):,} sentences ({what})"
    return {
        "rppl": Value(
            figure.value,
            figure.error,
            len(real),
            evaluation.split,
            f"Reverse perplexity: exp of nats per token of real text under an LSTM {trained}; "
            "the epoch is chosen on real validation text.",
            extra={"sentences": len(train)},
        ),
        "rppl_as_published": Value(
            math.exp(running),
            None,
            len(real),
            evaluation.split,
            "FLAWED, for comparison with published tables only: the running average over "
            f"{options.epochs} epochs of that LSTM, the first ones included.",
            extra={"sentences": len(train)},
        ),
    }
