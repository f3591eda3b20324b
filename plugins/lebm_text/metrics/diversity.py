"""text.diversity: self-BLEU, distinct n-grams, repeated and memorised sentences."""

from __future__ import annotations

from dataclasses import dataclass

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.sequences.dataset import TokenDataset, rows_of
from lebm_text.metrics.diversity_scores import diversity_of, known_sentences

__all__ = ["Diversity"]


@dataclass(frozen=True)
class Diversity:
    """The metric text.diversity.

    Attributes:
        diversity_samples: samples compared with each other; the values depend on this number
    """

    diversity_samples: int = 1000

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return the scores of the samples, and in the row "real" those of as many sentences."""
        data, split = evaluation.need(TokenDataset, "text.diversity"), evaluation.split
        known = known_sentences(data)
        samples = rows_of(evaluation.samples[: self.diversity_samples])
        values = diversity_of(samples, known, "samples", {"decoding": "multinomial"})
        if evaluation.name == "model":
            every = data.rows(split)
            some = subset(len(every), len(samples), evaluation.seed).tolist()
            values |= in_row("real", diversity_of([every[i] for i in some], known, split, {}))
        return values
