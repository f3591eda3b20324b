"""Sentences as a `lebm_core` data set: padded batches of token ids, bucketed by length."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

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

            every = self.counts("train", torch.arange(self.length("train")))
            self._tf_idf = TfidfTransformer(sublinear_tf=True).fit(every)
        return csr_matrix(self._tf_idf.transform(self.counts(split, index)))

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
