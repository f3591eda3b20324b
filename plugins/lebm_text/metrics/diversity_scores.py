"""How far sentences differ from each other and from the training text.

Sources: distinct-n, Li et al., NAACL 2016, arXiv 1510.03055; self-BLEU, Zhu et al., SIGIR 2018,
arXiv 1802.01886.
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import TokenDataset
from lebm_core.sequences.tokens import EOS

__all__ = ["distinct", "diversity_of", "known_sentences", "self_bleu"]

Gram = tuple[int, ...]


def known_sentences(data: TokenDataset) -> set[Gram]:
    """Return every sentence of the training text, without its end."""
    return {tuple(row.tolist()[:-1]) for row in data.rows("train")}


def diversity_of(
    rows: Sequence[Tensor], known: set[Gram], split: str, extra: Mapping[str, Any]
) -> dict[str, Value]:
    """Return distinct_1 to distinct_3, self_bleu, unique and in_train of sentences.

    Args:
        rows: each as its ids, with or without the end.
        known: the sentences of the training text, without their end; see `known_sentences`.
        split: of the sentences.
        extra: settings that the values are to name.
    """
    sentences = [tuple(i for i in row.tolist() if i != EOS) for row in rows]
    n = len(sentences)

    def plain(value: float, text: str, better: str = "higher") -> Value:
        return Value(value, None, n, split, text, extra=dict(extra), better=better)

    values = {
        f"distinct_{k}": plain(
            distinct(sentences, k), f"Different {k}-grams over all {k}-grams of {n} sentences."
        )
        for k in (1, 2, 3)
    }
    values["self_bleu"] = plain(
        self_bleu(sentences),
        f"BLEU-4 of each of {n} sentences with all others as references, pooled, 0 to 100.",
        "lower",
    )
    values["unique"] = plain(len(set(sentences)) / n, f"Different sentences among {n}.")
    text = "Share of sentences that stand in the training text."
    seen = sum(s in known for s in sentences)
    values["in_train"] = Value.share(seen, split, text, extra, of=n, better="lower")
    return values


def grams(sentence: Sequence[int], k: int) -> Counter[Gram]:
    """Return the k-grams of a sentence with their counts."""
    return Counter(tuple(sentence[i : i + k]) for i in range(len(sentence) - k + 1))


def distinct(sentences: Sequence[Sequence[int]], k: int) -> float:
    """Return different k-grams over all k-grams; 0 where there is none."""
    counts: Counter[Gram] = Counter()
    for sentence in sentences:
        counts.update(grams(sentence, k))
    return len(counts) / counts.total() if counts else 0.0


def self_bleu(sentences: Sequence[Sequence[int]], order: int = 4) -> float:
    """Return the corpus BLEU, 0 to 100, of every sentence against all the others.

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
    """For each sentence the length of the other sentence nearest to its own."""
    lengths = sorted(map(len, sentences))
    closest = []
    for sentence in sentences:
        n = len(sentence)
        at = bisect.bisect_left(lengths, n)
        others = lengths[max(at - 1, 0) : at] + lengths[at + 1 : at + 2]
        closest.append(min(others, key=lambda m: (abs(m - n), m)))
    return closest
