"""Sentences as a `lebm_core` data set: padded batches of token ids, bucketed by length."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from torch import Tensor

from lebm_core.data.disk.tensors import CHUNK, DiskTensor
from lebm_core.sequences.dataset import TokenDataset
from lebm_core.sequences.tokens import SPECIAL, UNK
from lebm_text.data.new import new_texts
from lebm_text.data.tokenizer import load_tokenizer
from lebm_text.view import SentenceView

__all__ = ["FILE", "TextDataset"]

FILE = "text.json"


class TextDataset(TokenDataset):
    """Sentences as token ids, with the class of each where there are classes."""

    file = FILE
    _tf_idf: Any = None

    @property
    def on_disk(self) -> bool:
        """Whether ids are read from the disk, batch by batch."""
        return isinstance(self._ids["train"], DiskTensor)

    def counts(self, split: str, index: Tensor) -> csr_matrix:
        """Return how often each word of the vocabulary occurs, (B, words), special ids left out."""
        start, end = self._start[split][index], self._start[split][index + 1] - 1
        rows = [self._ids[split][a:b].numpy() for a, b in zip(start, end, strict=True)]
        known = [row[row > UNK] - len(SPECIAL) for row in rows]
        ends = np.cumsum([0, *map(len, known)])
        words = np.concatenate([*known, np.zeros(0, dtype=np.int32)])
        shape = (len(rows), len(self.tokenizer) - len(SPECIAL))
        counts = csr_matrix((np.ones(len(words), dtype=np.float32), words, ends), shape)
        counts.sum_duplicates()
        return counts

    def vectors(self, split: str, index: Tensor) -> csr_matrix:
        """Return the TF-IDF of words, (B, words), in rows of length 1.

        Document frequencies are those of the training split.
        """
        if self._tf_idf is None:
            from sklearn.feature_extraction.text import TfidfTransformer

            self._tf_idf = TfidfTransformer(sublinear_tf=True)
            self._tf_idf.idf_ = self._rarity()
        return csr_matrix(self._tf_idf.transform(self.counts(split, index)))

    def _rarity(self) -> NDArray[np.float32]:
        """The inverse document frequency of each word, (words,), as scikit-learn smooths it."""
        n, found = self.length("train"), np.zeros(len(self.tokenizer) - len(SPECIAL), np.float32)
        for rows in torch.arange(n).split(CHUNK):
            found += self.counts("train", rows).getnnz(axis=0)
        rarity: NDArray[np.float32] = np.log(np.float32(n + 1) / (found + 1)) + 1
        return rarity

    def new(self, source: Any) -> Self:
        """Read texts of a file or in memory, see `new_texts`; unknown words are "<unk>"."""
        given = new_texts(source, self.reading)
        ids = [self.tokenizer.encode(text) for text in given.strings]
        return self.of_new(ids, given.records, given.labels)

    def view(self) -> SentenceView:
        """Show a line for each sentence, and take one."""
        return SentenceView(self)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        saved = cls.saved(folder)
        tokenizer = load_tokenizer(saved["tokenizer"], folder / cls.file)
        kept = {key: saved[key] for key in ("classes", "reading")}
        return cls(tokenizer, {}, saved["summary"], saved["max_length"], **kept)
