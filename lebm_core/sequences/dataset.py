"""Sequences of token ids as a data set: padded batches, bucketed by length."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lebm_core.data.dataset import SPLITS, Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.sequences.tokens import BOS, EOS, PAD, Tokenizer

__all__ = ["TokenDataset", "pad", "rows_of"]

WINDOW = 50  # batches that are sorted by length together: lengths stay mixed across an epoch


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Sequences of ids as one (B, T) tensor, padded on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)


class TokenDataset(Dataset):
    """Sequences as token ids, and perhaps the class of each.

    x is an integer tensor (B, T), padded on the right with 0; each sequence ends with `EOS`, and
    no `BOS` stands at its start: the decoder shifts its input and puts `BOS` there itself.

    Args:
        tokenizer: text to ids and back.
        splits: the ids of each sequence by split, without the end.
        summary: facts for the report.
        max_length: the longest sequence with its end; by default that of the data.
        labels: the class id of each sequence by split, -1 where unknown.
        classes: their names; none for a data set without classes.

    Attributes:
        file: name of what `save` writes; a subclass may have its own.
    """

    file: ClassVar[str] = "tokens.json"

    def __init__(
        self,
        tokenizer: Tokenizer,
        splits: Mapping[str, Sequence[Sequence[int]]],
        summary: dict[str, Any],
        max_length: int | None = None,
        *,
        labels: Mapping[str, Sequence[int]] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        self.tokenizer, self.classes = tokenizer, list(classes)
        known = labels or {}
        self.labels = {s: torch.tensor(known.get(s, []), dtype=torch.long) for s in SPLITS}
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
        """The number of sequences of `split`."""
        if split not in self._start:
            raise UsageError(f'There is no split "{split}": {", ".join(SPLITS)} are.')
        return len(self._start[split]) - 1

    def lengths(self, split: str) -> Tensor:
        """(N,) the tokens of each sequence, its end included."""
        return self._start[split].diff()

    def batch(self, split: str, index: Tensor) -> Batch:
        """The sequences with these row numbers, x (B, T), y their classes where there are any."""
        start = self._start[split][index]
        lengths = self._start[split][index + 1] - start
        column = torch.arange(int(lengths.max()) if len(index) else 0)
        inside = column < lengths[:, None]
        at = (start[:, None] + column).clamp(max=max(len(self._ids[split]) - 1, 0))
        x = torch.where(inside, self._ids[split][at].long(), PAD)
        return Batch(x, self.y(split, index), rows=index)

    def y(self, split: str, index: Tensor) -> Tensor | None:
        """(B,) class ids, -1 where unknown; None without classes."""
        return self.labels[split][index] if self.classes else None

    def rows(self, split: str) -> list[Tensor]:
        """Each sequence of `split` as its ids with the end, unpadded."""
        return list(self._ids[split].long().split(self.lengths(split).tolist()))

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """One epoch: batches of sequences of similar length.

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
        """Writes one text a line to `path` with the suffix .txt."""
        file = path.with_name(path.name + ".txt")
        file.write_text("".join(f"{s}\n" for s in self.sentences(x)), encoding="utf-8")
        return file

    def save(self, folder: Path) -> None:
        """Writes the vocabulary, the classes and the summary as JSON."""
        saved = {
            "tokenizer": self.tokenizer.to_json(),
            "max_length": self.max_length,
            "classes": self.classes,
            "summary": self.summary,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def saved(cls, folder: Path) -> dict[str, Any]:
        """What `save` wrote, for a subclass's `load`; without classes where an older one has none.

        The keys are "tokenizer", "max_length", "classes" and "summary".
        """
        found: dict[str, Any] = json.loads((folder / cls.file).read_text(encoding="utf-8"))
        return {"classes": [], **found}


def rows_of(x: Tensor) -> list[Tensor]:
    """Each row of x (B, T) up to and including its first end, on the CPU; padding is dropped.

    A sequence that was cut off before it ended has no end; one that is padding alone counts as
    an end at once.
    """
    rows = []
    for row in x.cpu():
        ends = (row == EOS).nonzero()
        row = row[: int(ends[0]) + 1] if len(ends) else row[row != PAD]
        rows.append(row if len(row) else torch.tensor([EOS]))
    return rows
