"""text.diversity: self-BLEU, distinct n-grams, repeated and memorised sentences.

Sources: distinct-n, Li et al., NAACL 2016, arXiv 1510.03055; self-BLEU, Zhu et al., SIGIR 2018,
arXiv 1802.01886.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import TokenDataset, rows_of
from lebm_core.sequences.tokens import EOS
from lebm_text.metrics.base import text_of

__all__ = ["Diversity", "build", "distinct", "diversity_of", "known_sentences", "self_bleu"]

Gram = tuple[int, ...]


def build(*, diversity_samples: int = 1000) -> Diversity:
    """The metric text.diversity.

    Args:
        diversity_samples: samples compared with each other; figures depend on this number
    """
    return Diversity(diversity_samples)


@dataclass
class Diversity:
    """See `build` for the fields."""

    n_samples: int

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """The figures of the samples, and in the row "real" those of as many real sentences."""
        data, split = text_of(evaluation), evaluation.split
        known = known_sentences(data)
        samples = rows_of(evaluation.samples[: self.n_samples])
        values = diversity_of(samples, known, "samples", {"decoding": "multinomial"})
        if evaluation.name == "model":
            every = data.rows(split)
            some = subset(len(every), len(samples), evaluation.seed).tolist()
            real = diversity_of([every[i] for i in some], known, split, {})
            values |= {f"real/{name}": value for name, value in real.items()}
        return values


def known_sentences(data: TokenDataset) -> set[Gram]:
    """Every sentence of the training text, without its end."""
    return {tuple(row.tolist()[:-1]) for row in data.rows("train")}


def diversity_of(
    rows: Sequence[Tensor], known: set[Gram], split: str, extra: Mapping[str, Any]
) -> dict[str, Value]:
    """distinct_1 to distinct_3, self_bleu, unique and in_train of sentences.

    Args:
        rows: each as its ids, with or without the end.
        known: the sentences of the training text, without their end; see `known_sentences`.
        split: where the sentences are from.
        extra: settings that the values are to name.
    """
    sentences = [tuple(i for i in row.tolist() if i != EOS) for row in rows]
    n = len(sentences)

    def share(value: float, text: str) -> Value:
        error = math.sqrt(value * (1 - value) / n)
        return Value(value, error, n, split, text, extra=dict(extra))

    values = {
        f"distinct_{k}": Value(
            distinct(sentences, k),
            None,
            n,
            split,
            f"Different {k}-grams over all {k}-grams of {n} sentences.",
            extra=dict(extra),
        )
        for k in (1, 2, 3)
    }
    values["self_bleu"] = Value(
        self_bleu(sentences),
        None,
        n,
        split,
        f"BLEU-4 of each of {n} sentences with all others as references, pooled, 0 to 100.",
        extra=dict(extra),
    )
    distinct_share, text = len(set(sentences)) / n, f"Different sentences among {n}."
    values["unique"] = Value(distinct_share, None, n, split, text, extra=dict(extra))
    seen = sum(s in known for s in sentences) / n
    values["in_train"] = share(seen, "Share of sentences that stand in the training text.")
    return values


def grams(sentence: Sequence[int], k: int) -> Counter[Gram]:
    """The k-grams of a sentence with their counts."""
    return Counter(tuple(sentence[i : i + k]) for i in range(len(sentence) - k + 1))


def distinct(sentences: Sequence[Sequence[int]], k: int) -> float:
    """Different k-grams over all k-grams; 0 where there is none."""
    counts: Counter[Gram] = Counter()
    for sentence in sentences:
        counts.update(grams(sentence, k))
    return len(counts) / counts.total() if counts else 0.0


def self_bleu(sentences: Sequence[Sequence[int]], order: int = 4) -> float:
    """Corpus BLEU, 0 to 100, of every sentence against all the others.

    The clipped count of a k-gram is its largest count in any other sentence. The two largest
    counts over all sentences give that for each sentence, so the cost is linear in the text.
    The reference length is the closest among the others, the shorter of two equally close.
    """
    if len(sentences) < 2:
        return 0.0
    matches, totals = [0] * order, [0] * order
    for k in range(1, order + 1):
        counted = [grams(sentence, k) for sentence in sentences]
        first: dict[Gram, tuple[int, int]] = {}  # k-gram -> (largest count, whose)
        second: dict[Gram, int] = {}
        for i, counts in enumerate(counted):
            for gram, count in counts.items():
                best, owner = first.get(gram, (0, -1))
                if count > best:
                    first[gram], second[gram] = (count, i), best
                elif count > second.get(gram, 0):
                    second[gram] = count
        for i, counts in enumerate(counted):
            for gram, count in counts.items():
                best, owner = first[gram]
                matches[k - 1] += min(count, second[gram] if owner == i else best)
                totals[k - 1] += count
    if 0 in matches or 0 in totals:
        return 0.0
    precision = sum(math.log(m / t) for m, t in zip(matches, totals, strict=True)) / order
    length = sum(map(len, sentences))
    reference = sum(_closest(sentences))
    return 100 * math.exp(precision + min(0.0, 1 - reference / length))


def _closest(sentences: Sequence[Sequence[int]]) -> list[int]:
    """For each sentence the length of the other sentence that is nearest to its own."""
    lengths = sorted(map(len, sentences))
    found = []
    for sentence in sentences:
        n = len(sentence)
        at = bisect.bisect_left(lengths, n)
        others = lengths[max(at - 1, 0) : at] + lengths[at + 1 : at + 2]
        found.append(min(others, key=lambda m: (abs(m - n), m)))
    return found
