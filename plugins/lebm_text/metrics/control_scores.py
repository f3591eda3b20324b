"""Scores of sentences that were controlled to be of a class: class, fluency, diversity.

The class is judged by a classifier, fluency by a language model; both are trained apart, on the
training split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lebm_core.data.labels import labels_of
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.evaluators.class_classifier import ClassClassifier, class_classifier
from lebm_text.evaluators.language_model import EvaluatorOptions, LanguageModel, score
from lebm_text.evaluators.training import language_model
from lebm_text.metrics.diversity_scores import diversity_of, known_sentences
from lebm_text.metrics.text_scores import JUDGE, lengths_of, mean_length, perplexity

__all__ = ["ControlScores"]

Rows = Sequence[Tensor]
Facts = Mapping[str, object]


@dataclass
class ControlScores:
    """The evaluators of controlled sentences, and their scores by class and together.

    Attributes:
        language: judges fluency.
        classify: judges the class.
        data: the sentences.
        shares: of the classes in the training text.
        known: its sentences.
    """

    language: LanguageModel
    classify: ClassClassifier
    data: TokenDataset
    shares: list[float]
    known: set[tuple[int, ...]]

    @classmethod
    def of(
        cls, evaluation: Evaluation, data: TokenDataset, options: EvaluatorOptions
    ) -> ControlScores:
        """Train the evaluators, or read them from the run's cache."""
        judge = language_model(evaluation, data, options, data.rows("train"), "real text")
        y = labels_of(data, "train")
        shares = [float((y == c).sum()) / int((y >= 0).sum()) for c in range(len(data.classes))]
        classify = class_classifier(evaluation, data)
        return cls(judge.model, classify, data, shares, known_sentences(data))

    @property
    def ids(self) -> range:
        """The ids of the classes."""
        return range(len(self.data.classes))

    def sentences(self, rows: Rows) -> list[str]:
        """Return the text of sentences given as ids."""
        return [self.data.tokenizer.decode(row.tolist()) for row in rows]

    def by_class(
        self, rows: Sequence[Rows], split: str, facts: Facts, *, each: bool = True
    ) -> dict[str, Value]:
        """Return accuracy of each class and of all, fluency and diversity of all together.

        Args:
            rows: sentences of each class in turn; all together are as many as those of the class
                with the fewest, in the shares that the classes have in the training text.
            split: of the sentences.
            facts: settings that the values are to name.
            each: also fluency and diversity of each class.
        """
        together: list[Tensor] = []
        least = min(map(len, rows))
        for some, share in zip(rows, self.shares, strict=True):
            together += some[: max(1, round(least * share))]
        values = self.accuracy(rows, split, facts)
        mix = {**facts, "classes": "in the shares of the training text"}
        parts = {"controlled": self.plain(together, split, mix)}
        if each:
            for name, some in zip(self.data.classes, rows, strict=True):
                parts[name] = self.plain(some, split, facts)
        for name, scores in parts.items():
            values |= {f"{key}_{name}": value for key, value in scores.items()}
        return values

    def accuracy(self, rows: Sequence[Rows], split: str, facts: Facts) -> dict[str, Value]:
        """Return the share of each class's sentences judged to be of it, and the classes' mean."""
        text = "Share of sentences that a classifier trained apart takes for the class asked for"
        each: dict[str, Value] = {}
        for c, some in zip(self.ids, rows, strict=True):
            right = self.classify(some) == c
            name = f"accuracy_{self.data.classes[c]}"
            each[name] = Value.share(right, split, f"{text}.", facts, better="higher")
        n = len(each)
        mean = sum(value.value or 0.0 for value in each.values()) / n
        variance = sum((value.standard_error or 0.0) ** 2 for value in each.values())
        overall = Value(
            mean, math.sqrt(variance) / n, sum(map(len, rows)), split,
            f"{text}, the mean of the classes.", extra=dict(facts), better="higher",
        )  # fmt: skip
        return {"accuracy_controlled": overall, **each}

    def plain(self, rows: Rows, split: str, facts: Facts) -> dict[str, Value]:
        """Return fluency, length and diversity."""
        nats, tokens = -score(self.language, rows), lengths_of(rows)
        text = f"Forward perplexity: exp of nats per token {JUDGE}."
        return {
            "fppl": Value(*perplexity(nats, tokens), len(rows), split, text, extra=dict(facts)),
            "mean_length": mean_length(tokens, split, facts),
            **diversity_of(rows, self.known, split, facts),
        }
