"""Sentences as a `lebm_core` data set: padded batches of token ids, bucketed by length."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from lebm_core.data import SPLITS, Batch, Dataset
from lebm_core.errors import UsageError
from lebm_text.tokenizer import load_tokenizer
from lebm_text.vocabulary import BOS, EOS, PAD, SPECIAL, UNK, Tokenizer

__all__ = ["TextDataset", "pad"]

WINDOW = 50  # batches that are sorted by length together: lengths stay mixed across an epoch
FILE = "text.json"


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Sequences of ids as one (B, T) tensor, padded on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)


class TextDataset(Dataset):
    """Sentences as token ids.

    x is an integer tensor (B, T), padded on the right with 0; each sentence ends with `EOS`, and
    no `BOS` stands at its start: the decoder shifts its input and puts `BOS` there itself.

    Args:
        tokenizer: text to ids and back.
        splits: the ids of each sentence by split, without the end.
        summary: facts for the report.
        max_length: the longest sequence with its end; by default that of the data.
        labels: the class id of each sentence by split, -1 where unknown; none without classes.
        classes: their names.
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
    ) -> None:
        self.tokenizer, self.classes = tokenizer, list(classes)
        self.labels = {split: torch.tensor(y) for split, y in (labels or {}).items()}
        self._ids: dict[str, Tensor] = {}
        self._start: dict[str, Tensor] = {}
        for split in SPLITS:
            rows = splits.get(split, [])
            lengths = torch.tensor([len(row) + 1 for row in rows], dtype=torch.long)
            self._start[split] = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)])
            flat = [i for row in rows for i in (*row, EOS)]
            self._ids[split] = torch.tensor(flat, dtype=torch.int32)
        longest = max((int(self.lengths(s).max()) for s in SPLITS if self.length(s)), default=1)
        self.summary, self.max_length = summary, max_length or longest
        self._tf_idf: Any = None
        self.sizes: dict[str, Any] = {
            "vocab_size": len(tokenizer),
            "pad": PAD,
            "bos": BOS,
            "eos": EOS,
            "max_length": self.max_length,
        }
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)

    def length(self, split: str) -> int:
        """The number of sentences of `split`."""
        if split not in self._start:
            raise UsageError(f'There is no split "{split}": {", ".join(SPLITS)} are.')
        return len(self._start[split]) - 1

    def lengths(self, split: str) -> Tensor:
        """(N,) the tokens of each sentence, its end included."""
        return self._start[split].diff()

    def batch(self, split: str, index: Tensor) -> Batch:
        """The sentences with these row numbers, x (B, T), y their classes where there are any."""
        start = self._start[split][index]
        lengths = self._start[split][index + 1] - start
        column = torch.arange(int(lengths.max()) if len(index) else 0)
        inside = column < lengths[:, None]
        at = (start[:, None] + column).clamp(max=max(len(self._ids[split]) - 1, 0))
        x = torch.where(inside, self._ids[split][at].long(), PAD)
        return Batch(x, self.y(split, index), rows=index)

    def y(self, split: str, index: Tensor) -> Tensor | None:
        """(B,) class ids, -1 where unknown; None for text without classes."""
        return self.labels[split][index] if self.classes else None

    def counts(self, split: str, index: Tensor) -> csr_matrix:
        """How often each word of the vocabulary occurs, (B, words), the special ids left out."""
        start, end = self._start[split][index], self._start[split][index + 1] - 1
        rows = [self._ids[split][a:b].numpy() for a, b in zip(start, end, strict=True)]
        known = [row[row > UNK] - len(SPECIAL) for row in rows]
        ends = np.cumsum([0, *map(len, known)])
        words = np.concatenate([*known, np.zeros(0, dtype=np.int32)])
        shape = (len(rows), len(self.tokenizer) - len(SPECIAL))
        found = csr_matrix((np.ones(len(words), dtype=np.float32), words, ends), shape)
        found.sum_duplicates()
        return found

    def vectors(self, split: str, index: Tensor) -> csr_matrix:
        """TF-IDF of words, (B, words), rows of length 1; document frequencies of the training."""
        if self._tf_idf is None:
            from sklearn.feature_extraction.text import TfidfTransformer

            every = self.counts("train", torch.arange(self.length("train")))
            self._tf_idf = TfidfTransformer(sublinear_tf=True).fit(every)
        return csr_matrix(self._tf_idf.transform(self.counts(split, index)))

    def rows(self, split: str) -> list[Tensor]:
        """Each sentence of `split` as its ids with the end, unpadded."""
        return list(self._ids[split].long().split(self.lengths(split).tolist()))

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """One epoch: batches of sentences of similar length.

        With a generator the rows are shuffled, sorted by length within windows of 50 batches,
        cut into batches, and the batches shuffled. Without one all rows are sorted by length.
        """
        lengths = self.lengths(split)
        if len(lengths) == 0:
            return []
        if generator is None:
            return list(lengths.argsort(stable=True).split(batch_size))
        device = generator.device  # a generator draws on its own device only
        rows = torch.randperm(len(lengths), generator=generator, device=device).cpu()
        batches: list[Tensor] = []
        for window in rows.split(batch_size * WINDOW):
            batches += window[lengths[window].argsort(stable=True)].split(batch_size)
        order = torch.randperm(len(batches), generator=generator, device=device)
        return [batches[i] for i in order.tolist()]

    def sentences(self, x: Tensor) -> list[str]:
        """The text of each row of x (B, T)."""
        return [self.tokenizer.decode(row) for row in x.tolist()]

    def write(self, x: Tensor, path: Path) -> Path:
        """Writes one sentence a line to `path` with the suffix .txt."""
        file = path.with_name(path.name + ".txt")
        file.write_text("".join(f"{s}\n" for s in self.sentences(x)), encoding="utf-8")
        return file

    def save(self, folder: Path) -> None:
        """Writes the vocabulary and the summary as text.json."""
        saved = {
            "tokenizer": self.tokenizer.to_json(),
            "max_length": self.max_length,
            "summary": self.summary,
            "classes": self.classes,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote; the splits are empty."""
        saved = json.loads((folder / FILE).read_text(encoding="utf-8"))
        classes = saved.get("classes", [])
        empty: dict[str, list[int]] = {split: [] for split in SPLITS} if classes else {}
        return cls(
            load_tokenizer(saved["tokenizer"]), {}, saved["summary"], saved["max_length"],
            labels=empty, classes=classes,
        )  # fmt: skip
