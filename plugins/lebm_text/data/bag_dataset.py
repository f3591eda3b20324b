"""Sentences as counts of words, whose order is lost: the input of topic models and classifiers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from lebm_core.base.files import read_json
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS, Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.sequences.dataset import is_list_of, write_lines
from lebm_core.sequences.tokens import SPECIAL, UNK, Tokenizer
from lebm_text.data.dataset import FILE, TextDataset
from lebm_text.view import SentenceView

__all__ = ["BagDataset", "frequent_words", "spelled"]


def frequent_words(tokenizer: Tokenizer, size: int, stop_words: bool) -> list[str]:
    """Return the words that a bag counts, by falling frequency in the training text.

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


class BagDataset(Dataset):
    """Sentences as counts of words.

    x is a float tensor (B, V): how often each of `columns` occurs. A sample becomes text as its
    words, the most frequent in the training text first. Batches are those of the sentences.

    Args:
        text: the sentences, whose words are counted.
        columns: the V words that are counted.
    """

    suffix: ClassVar[str] = ".txt"

    def __init__(self, text: TextDataset, columns: Sequence[str]) -> None:
        self.text, self.columns = text, list(columns)
        self.classes, self.summary = text.classes, text.summary
        self.sizes: dict[str, Any] = {"features": len(self.columns)}
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)
        self._column = [i - len(SPECIAL) for w in self.columns for i in text.tokenizer.encode(w)]
        # Counted once; but where the ids are on disk there may be no room for the counts of all.
        self._bags = {
            s: self._counted(s, torch.arange(text.length(s))) for s in SPLITS if not text.on_disk
        }

    def length(self, split: str) -> int:
        """Return the number of sentences of `split`."""
        return self.text.length(split)

    def batch(self, split: str, index: Tensor) -> Batch:
        """Return the sentences with these row numbers, x (B, V)."""
        found = (
            self._counted(split, index) if self.text.on_disk else self._bags[split][index.numpy()]
        )
        x = torch.from_numpy(found.toarray())
        return Batch(x, self.text.y(split, index), rows=index)

    def _counted(self, split: str, index: Tensor) -> csr_matrix:
        return self.text.counts(split, index)[:, self._column]

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Return one epoch in the batches that the sentences would have."""
        return self.text.order(split, batch_size, generator)

    def vectors(self, split: str, index: Tensor) -> Any:
        """Return the TF-IDF of all words of the vocabulary, counted or not."""
        return self.text.vectors(split, index)

    def new(self, source: Any) -> Self:
        """Read texts as `TextDataset.new` does, and count their words."""
        return type(self)(self.text.new(source), self.columns)

    def records(self, split: str) -> Table:
        """Return the columns of what `new` has read; else the row numbers."""
        return self.text.records(split)

    def raw(self, x: Tensor) -> list[str]:
        """Return samples as text, see `strings`."""
        return self.strings(x)

    def strings(self, x: Tensor) -> list[str]:
        """Return the words of each row of x (B, V), each as often as it occurs."""
        return spelled(x, self.columns)

    def write(self, x: Tensor, path: Path) -> Path:
        """Write the words of each row of x, one row a line, to `path` with the suffix .txt."""
        return write_lines(self.strings(x), path, self.suffix)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the words counted and the summary as text.json."""
        self.text.save(folder)
        file = folder / FILE
        saved = read_json(file) | {"columns": self.columns}
        file.write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    def view(self) -> SentenceView:
        """Show a line for each sentence, and take one."""
        return SentenceView(self)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        return cls._of(TextDataset.load(folder), folder)

    def keep(self, folder: Path) -> None:
        """Write what is beside the packed sentences in `folder`, for `kept` to open."""
        self.text.keep(folder)
        self.save(folder)

    @classmethod
    def kept(cls, folder: Path) -> Self:
        """Open what `keep` and `Packed.written` wrote: words are counted batch by batch."""
        return cls._of(TextDataset.kept(folder), folder)

    @classmethod
    def _of(cls, text: TextDataset, folder: Path) -> Self:
        columns = read_json(folder / FILE).get("columns")
        if not is_list_of(columns, str) or UNK in text.tokenizer.encode(" ".join(columns)):
            raise UsageError(f"{folder / FILE} is damaged: its columns are no words of it.")
        return cls(text, columns)


def spelled(x: Tensor, columns: Sequence[str]) -> list[str]:
    """Return counts (B, V) as text: words in the order of the columns, as often as counted."""
    texts = []
    for row in x.round().long():
        present = row.nonzero().squeeze(1).tolist()
        texts.append(" ".join(columns[i] for i in present for _ in range(int(row[i]))))
    return texts
