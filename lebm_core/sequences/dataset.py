"""Sequences of token ids as a data set: padded batches, bucketed by length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self, TypeGuard

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.files import read_json
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS, Batch, Dataset
from lebm_core.data.disk.tensors import DiskTensor
from lebm_core.data.files import without_folder
from lebm_core.errors import UsageError
from lebm_core.sequences.given import known_ids
from lebm_core.sequences.packed import Packed
from lebm_core.sequences.tokens import BOS, EOS, PAD, Tokenizer

__all__ = ["TokenDataset", "is_list_of", "pad", "rows_of", "write_lines"]

WINDOW = 50  # batches sorted by length together: lengths stay mixed across an epoch


def pad(rows: Sequence[Tensor]) -> Tensor:
    """Stack sequences of ids into one (B, T) tensor, padded on the right."""
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=PAD)


class TokenDataset(Dataset):
    """Sequences as token ids, with the class of each where there are classes.

    x is an integer tensor (B, T), padded on the right with 0; each sequence ends with `EOS` and
    begins without `BOS`: the decoder shifts its input and adds `BOS` itself.

    Args:
        tokenizer: converts strings to ids and back.
        splits: the ids of each sequence by split, without the end; or packed already.
        summary: facts for the report.
        max_length: the longest sequence with its end; by default that of the data.
        labels: the class id of each sequence by split, -1 where unknown.
        classes: their names; none for a data set without classes.
        reading: how the source was read, in JSON's values, for `new`.

    Attributes:
        file: name of the file that `save` writes; a subclass may have its own.
        suffix: of the file that `write` makes.
    """

    file: ClassVar[str] = "tokens.json"
    suffix: ClassVar[str] = ".txt"

    def __init__(
        self,
        tokenizer: Tokenizer,
        splits: Mapping[str, Sequence[Sequence[int]] | Packed],
        summary: dict[str, Any],
        max_length: int | None = None,
        *,
        labels: Mapping[str, Sequence[int]] | None = None,
        classes: Sequence[str] = (),
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        self.tokenizer, self.classes = tokenizer, list(classes)
        self.reading = dict(reading or {})
        self.known: Table | None = None
        known = labels or {}
        self.labels = {s: torch.tensor(known.get(s, []), dtype=torch.long) for s in SPLITS}
        self._ids: dict[str, Tensor | DiskTensor] = {}
        self._start: dict[str, Tensor] = {}
        for split in SPLITS:
            rows = splits.get(split, [])
            packed = rows if isinstance(rows, Packed) else Packed.of(rows)
            self._ids[split], self._start[split] = packed
        longest = max((int(self.lengths(s).max()) for s in SPLITS if self.length(s)), default=1)
        self.summary, self.max_length = without_folder(summary), max_length or longest
        self.sizes: dict[str, Any] = {
            "vocab_size": len(tokenizer), "pad": PAD, "bos": BOS, "eos": EOS,
            "max_length": self.max_length,
        }  # fmt: skip
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)

    def length(self, split: str) -> int:
        """Return the number of sequences of `split`."""
        if split not in self._start:
            raise UsageError(f'There is no split "{split}": {", ".join(SPLITS)} are.')
        return len(self._start[split]) - 1

    def lengths(self, split: str) -> Tensor:
        """Return the tokens of each sequence, its end included, (N,)."""
        return self._start[split].diff()

    def batch(self, split: str, index: Tensor) -> Batch:
        """Return the sequences with these row numbers, x (B, T), and their classes, y."""
        start = self._start[split][index]
        lengths = self._start[split][index + 1] - start
        column = torch.arange(int(lengths.max()) if len(index) else 0)
        inside = column < lengths[:, None]
        at = (start[:, None] + column).clamp(max=max(len(self._ids[split]) - 1, 0))
        x = torch.where(inside, self._ids[split][at].long(), PAD)
        return Batch(x, self.y(split, index), rows=index)

    def y(self, split: str, index: Tensor) -> Tensor | None:
        """Return class ids (B,), -1 where unknown; None without classes."""
        return self.labels[split][index] if self.classes else None

    def rows(self, split: str) -> list[Tensor]:
        """Return each sequence of `split` as its ids with the end, unpadded."""
        return list(self._ids[split][:].long().split(self.lengths(split).tolist()))

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        """Return one epoch: batches of sequences of similar length.

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

    def strings(self, x: Tensor) -> list[str]:
        """Return the string of each row of x (B, T)."""
        return [self.tokenizer.decode(row) for row in x.tolist()]

    def of_new(
        self, ids: Sequence[Sequence[int]], records: Table, labels: Iterable[Any] | None = None
    ) -> Self:
        """Return a data set like this one, whose test split has these sequences alone.

        Args:
            ids: of each, without the end.
            records: what tells them apart.
            labels: of their classes, as written.
        """
        y = known_ids(labels, self.classes, len(ids))
        new = type(self)(
            self.tokenizer, {"test": ids}, self.summary, self.max_length, labels={"test": y},
            classes=self.classes, reading=self.reading,
        )  # fmt: skip
        new.known = records
        return new

    def records(self, split: str) -> Table:
        """Return the columns of what `new` has read; else the row numbers."""
        return super().records(split) if self.known is None else self.known

    def is_known(self, x: Tensor) -> Tensor:
        """Return where tokens are known to a completion: all but the end, so that it goes on."""
        return (x != PAD) & (x != EOS)

    def raw(self, x: Tensor) -> list[str]:
        """Return samples as strings."""
        return self.strings(x)

    def write(self, x: Tensor, path: Path) -> Path:
        """Write one string a line to `path` with the suffix of this data set."""
        return write_lines(self.strings(x), path, self.suffix)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, the classes and the summary as JSON."""
        saved = {
            "tokenizer": self.tokenizer.to_json(), "max_length": self.max_length,
            "classes": self.classes, "summary": self.summary, "reading": self.reading,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / self.file).write_text(json.dumps(saved, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; a subclass knows its tokenizer, see `saved`."""
        raise TypeError(f"{cls.__name__} defines no load(folder).")

    def keep(self, folder: Path) -> None:
        """Write what is beside the packed sequences in `folder`, for `kept` to open."""
        self.save(folder)
        for split, y in self.labels.items():
            np.save(folder / f"{split}.y.npy", y.numpy())

    @classmethod
    def kept(cls, folder: Path) -> Self:
        """Open what `keep` and `Packed.written` wrote: ids are read batch by batch."""
        data = cls.load(folder)
        for split in SPLITS:
            data._ids[split], data._start[split] = Packed.opened(folder, split)
            data.labels[split] = torch.from_numpy(np.load(folder / f"{split}.y.npy"))
        return data

    @classmethod
    def saved(cls, folder: Path) -> dict[str, Any]:
        """Read what `save` wrote, for a subclass's `load`.

        The keys are "tokenizer", "max_length", "classes", "summary" and "reading".

        Raises:
            UsageError: naming the file that is missing or damaged.
        """
        saved = {"classes": [], "reading": {}, **read_json(folder / cls.file)}
        longest = saved.get("max_length")
        for key, right in {
            "tokenizer": isinstance(saved.get("tokenizer"), dict),
            "max_length": isinstance(longest, int) and longest > 0,
            "classes": is_list_of(saved["classes"], str),
            "summary": isinstance(saved.get("summary"), dict),
            "reading": isinstance(saved["reading"], dict),
        }.items():
            if not right:
                raise UsageError(f"{folder / cls.file} is damaged: its {key} is not as it was.")
        return saved


def is_list_of(value: Any, kind: type) -> TypeGuard[list[Any]]:
    """Return whether a value read from JSON is a list of `kind` alone."""
    return isinstance(value, list) and all(isinstance(each, kind) for each in value)


def write_lines(lines: Iterable[str], path: Path, suffix: str) -> Path:
    """Write one line each to `path` with `suffix` added, and return that file."""
    file = path.with_name(path.name + suffix)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def rows_of(x: Tensor) -> list[Tensor]:
    """Return each row of x (B, T) up to and including its first end, on the CPU, unpadded.

    A sequence that was cut off has no end; a row of padding alone becomes an end alone.
    """
    rows = []
    for row in x.cpu():
        ends = (row == EOS).nonzero()
        row = row[: int(ends[0]) + 1] if len(ends) else row[row != PAD]
        rows.append(row if len(row) else torch.tensor([EOS]))
    return rows
