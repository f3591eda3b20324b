"""Sentences as counts of words, whose order is lost: what topic models and classifiers take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS, Batch
from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import SPECIAL, Tokenizer
from lebm_text.data.dataset import FILE, TextDataset
from lebm_text.data.tokenizer import load_tokenizer

__all__ = ["BagDataset", "frequent_words", "spelled"]


def frequent_words(tokenizer: Tokenizer, size: int, stop_words: bool) -> list[str]:
    """The words that a bag counts, by falling frequency in the training text.

    Punctuation is no word.

    Args:
        tokenizer: a `Vocabulary`, whose words stand in that order.
        size: the most words; 0 for all.
        stop_words: whether the commonest words of English are among them.

    Raises:
        UsageError: where fewer than two are left.
    """
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    left_out: frozenset[str] = frozenset() if stop_words else ENGLISH_STOP_WORDS
    every: list[str] = tokenizer.to_json()["words"]
    kept = [w for w in every if w not in left_out and any(map(str.isalnum, w))]
    if len(kept) < 2:
        raise UsageError(
            f"{len(kept)} words are left to count: a bag needs at least 2. "
            "Accepted is data.stop_words = true, which leaves none out."
        )
    return kept[:size] if size else kept


class BagDataset(TextDataset):
    """Sentences as counts of words.

    x is a float tensor (B, V): how often each of `columns` occurs. A sample becomes text as its
    words, the most frequent in the training text first.

    Args:
        tokenizer, splits, summary, max_length, labels, classes: as for `TextDataset`.
        columns: the V words that are counted.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        splits: dict[str, list[list[int]]],
        summary: dict[str, Any],
        max_length: int | None = None,
        *,
        labels: dict[str, list[int]] | None = None,
        classes: Sequence[str] = (),
        columns: Sequence[str],
    ) -> None:
        super().__init__(tokenizer, splits, summary, max_length, labels=labels, classes=classes)
        self.columns = list(columns)
        self._column = [i - len(SPECIAL) for w in self.columns for i in tokenizer.encode(w)]
        self.sizes = {"features": len(self.columns)}
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)
        self._bags = {
            s: self.counts(s, torch.arange(self.length(s)))[:, self._column] for s in SPLITS
        }

    def batch(self, split: str, index: Tensor) -> Batch:
        """The sentences with these row numbers, x (B, V)."""
        x = torch.from_numpy(self._bags[split][index.numpy()].toarray())
        return Batch(x, self.y(split, index), rows=index)

    def sentences(self, x: Tensor) -> list[str]:
        """The words of each row of x (B, V), each as often as it occurs."""
        return spelled(x, self.columns)

    def save(self, folder: Path) -> None:
        """Writes the vocabulary, the words counted and the summary as text.json."""
        super().save(folder)
        file = folder / FILE
        saved = json.loads(file.read_text(encoding="utf-8")) | {"columns": self.columns}
        file.write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the splits are empty."""
        saved = json.loads((folder / FILE).read_text(encoding="utf-8"))
        empty: dict[str, list[int]] = {split: [] for split in SPLITS} if saved["classes"] else {}
        return cls(
            load_tokenizer(saved["tokenizer"]), {}, saved["summary"], saved["max_length"],
            labels=empty, classes=saved["classes"], columns=saved["columns"],
        )  # fmt: skip


def spelled(x: Tensor, columns: Sequence[str]) -> list[str]:
    """Counts (B, V) as text: words in the order of the columns, as often as counted."""
    found = []
    for row in x.round().long():
        there = row.nonzero().squeeze(1).tolist()
        found.append(" ".join(columns[i] for i in there for _ in range(int(row[i]))))
    return found
