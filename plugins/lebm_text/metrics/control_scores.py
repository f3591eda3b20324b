"""What sentences asked to be of a class are judged by, and their figures: class, fluency, variety.

A class is judged by a classifier, fluency by a language model; both are trained apart, on the
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
from lebm_text.evaluators.class_classifier import ClassJudge, class_judge
from lebm_text.evaluators.language_model import LanguageModel, LanguageModelOptions, score
from lebm_text.metrics.base import lengths_of, perplexity
from lebm_text.metrics.diversity import diversity_of, known_sentences
from lebm_text.metrics.reverse_perplexity import judge_of

__all__ = ["TextJudges", "judges_of"]

Rows = Sequence[Tensor]
Facts = Mapping[str, object]


@dataclass
class TextJudges:
    """What samples are judged by, and how figures of several classes are put together."""

    language: LanguageModel
    classify: ClassJudge
    data: TokenDataset
    shares: list[float]  # of the classes in the training text
    known: set[tuple[int, ...]]

    @property
    def ids(self) -> range:
        return range(len(self.data.classes))

    def sentences(self, rows: Rows) -> list[str]:
        return [self.data.tokenizer.decode(row.tolist()) for row in rows]

    def by_class(
        self, rows: Sequence[Rows], split: str, facts: Facts, *, each: bool = True
    ) -> dict[str, Value]:
        """Accuracy of each class and of all, fluency and diversity of all together.

        Args:
            rows: sentences of each class in turn; all together are as many as those of the class
                with the fewest, in the shares that the classes have in the training text.
            split: where they are from.
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
        for name, found in parts.items():
            values |= {f"{key}_{name}": value for key, value in found.items()}
        return values

    def accuracy(self, rows: Sequence[Rows], split: str, facts: Facts) -> dict[str, Value]:
        """Share of each class's sentences that the classifier takes for it; the classes' mean."""
        what = "that a classifier trained apart takes for the class asked for"
        values: dict[str, Value] = {}
        for c, some in zip(self.ids, rows, strict=True):
            right = float((self.classify(some) == c).double().mean())
            error = math.sqrt(right * (1 - right) / len(some))
            values[f"accuracy_{self.data.classes[c]}"] = Value(
                right, error, len(some), split, f"Share of sentences {what}.", extra=dict(facts)
            )
        each = list(values.values())
        mean = sum(value.value or 0.0 for value in each) / len(each)
        error = math.sqrt(sum((value.standard_error or 0.0) ** 2 for value in each)) / len(each)
        overall = Value(
            mean, error, sum(map(len, rows)), split,
            f"Share of sentences {what}, the mean of the classes.", extra=dict(facts),
        )  # fmt: skip
        return {"accuracy_controlled": overall, **values}

    def plain(self, rows: Rows, split: str, facts: Facts) -> dict[str, Value]:
        """Fluency, length and diversity."""
        nats, tokens = -score(self.language, rows), lengths_of(rows)
        found, n = perplexity(nats, tokens), len(rows)
        by = "under an LSTM language model of the real training text, ends included"
        return {
            "fppl": Value(
                found.value, found.error, n, split,
                f"Forward perplexity: exp of nats per token {by}.", extra=dict(facts),
            ),
            "mean_length": Value(
                float(tokens.double().mean()), float(tokens.double().std()) / math.sqrt(n), n,
                split, "Mean tokens of a sentence, its end included.", extra=dict(facts),
            ),
            **diversity_of(rows, self.known, split, facts),
        }  # fmt: skip


def judges_of(
    evaluation: Evaluation, data: TokenDataset, options: LanguageModelOptions
) -> TextJudges:
    language = judge_of(evaluation, options, data.rows("train"), "real text").model
    y = labels_of(data, "train")
    shares = [float((y == c).sum()) / int((y >= 0).sum()) for c in range(len(data.classes))]
    return TextJudges(language, class_judge(evaluation), data, shares, known_sentences(data))
