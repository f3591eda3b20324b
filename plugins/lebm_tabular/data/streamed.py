"""A .csv file larger than memory: read twice, row by row, into arrays on disk."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.data.classes import (
    Classes,
    check_classes,
    is_missing,
    label_names,
    sorted_names,
)  # fmt: skip
from lebm_core.data.disk.tensors import CHUNK, DiskTensor, TensorWriter
from lebm_tabular.data.cells import (
    Cells,
    check_named,
    few_words,
    ids_of,
    named_in,
    no_number,
    number_of,
    plain_numbers,
)  # fmt: skip
from lebm_tabular.data.delimited import ROW_NUMBERS, check_columns, open_table, warn_of_counts

__all__ = ["StreamedTable", "rows_of"]

MANY = 10_000  # different cells, from which on it is clear that a column is none of categories


class StreamedTable:
    """What a file holds, its cells on disk; see `Table` of `lebm_tabular.data.delimited`.

    Args:
        path: the file.
        label: column of the labels; empty for none.
        without: columns to leave out.
        categories: which columns are, see `coded`.

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """

    def __init__(
        self, path: Path, label: str, without: Sequence[str], categories: str | Sequence[str]
    ) -> None:
        first, names, rows = open_table(path, label, without)
        named = [] if isinstance(categories, str) else categories
        seen = [_Column(name in named or name == label) for name in names]
        taken = [i for i, name in enumerate(names) if name not in (label, *without) or not name]
        counting = names[0].lower() in ROW_NUMBERS and 0 in taken
        read = [*taken, *([names.index(label)] if label else [])]
        start, n = 0.0, 0
        for lines, chunk in _chunks(rows):
            columns = list(zip(*chunk, strict=True))
            if counting:
                values = [number_of(cell) for cell in columns[0]]
                start = start if n else values[0] or 0.0
                counting = start in (0, 1) and values == [start + n + i for i in range(len(values))]
            for i in read:
                seen[i].add(columns[i], lines)
            n += len(chunk)
        counted = [0] if counting and n and seen[0].known else []
        self.kept = [
            i for i in taken if i not in counted and (names[i] or seen[i].known)
        ]  # fmt: skip
        self.columns = [names[i] for i in self.kept]
        check_columns(path, first, self.columns, self.kept, n)
        if counted:
            warn_of_counts(path, names[0], stacklevel=6)
        self.path, self.n, self.places = path, n, range(1, n + 1)
        self.left_out = [*without, *(names[i] or "row numbers" for i in counted)]
        named_in(self._cells([], []), categories)
        self.categories = [
            seen[i].categories(Cells(str(path), names, [], []), i, categories) for i in self.kept
        ]
        self.label = names.index(label) if label else None
        self.label_counts = None if self.label is None else seen[self.label].counts

    def write(self, file: Path, where: str) -> Classes | None:
        """Write the cells to `file`, (N, columns) of float64, and return the classes.

        Args:
            file: to write.
            where: the column of the labels, for an error.
        """
        names, ids = [], dict[str, int]()
        if self.label_counts is not None:
            counts = self.label_counts
            written = dict(zip(counts, label_names(counts), strict=True))
            names = sorted_names(written.values())
            check_classes(names, [written[cell] for cell in counts.elements()], where)
            place = {name: i for i, name in enumerate(names)} | {"": -1}
            ids = {cell: place[name] for cell, name in written.items()}
        y: list[NDArray[np.int64]] = []
        with TensorWriter(file, np.float64, (len(self.kept),)) as out:
            for lines, rows in _chunks(open_table(self.path, "", ())[2]):
                columns = list(zip(*rows, strict=True))
                places = [f"line {line}" for line in lines]
                kept = [columns[i] for i in self.kept]
                out.add(ids_of(self._cells(kept, places), self.categories))
                if self.label is not None:
                    y.append(np.array([ids[cell] for cell in columns[self.label]], dtype=np.int64))
        return Classes(names, np.concatenate(y)) if self.label is not None else None

    def _cells(self, columns: Sequence[Sequence[str]], places: Sequence[str]) -> Cells:
        return Cells(str(self.path), self.columns, columns, places)


def _chunks(rows: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[list[int], list[list[str]]]]:
    """Rows, so many at a time: their lines, and their cells."""
    while chunk := list(itertools.islice(rows, CHUNK)):
        yield [line for line, _ in chunk], [fields for _, fields in chunk]


class _Column:
    """What decides whether a column is one of numbers or of categories."""

    def __init__(self, named: bool) -> None:
        self.named, self.known, self.words = named, 0, 0
        self.first: tuple[int, str] | None = None  # word: its line and itself
        self.counts: Counter[str] = Counter()
        self._many = False

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> None:
        """Take in some cells."""
        if not self._many:
            self.counts.update(cells)
            self._many = len(self.counts) > MANY and not self.named
        if plain_numbers(cells) is not None:
            self.known += len(cells)
            return
        for cell, line in zip(cells, lines, strict=True):
            if is_missing(cell):
                continue
            self.known += 1
            if number_of(cell) is None:
                self.words += 1
                self.first = self.first or (line, cell)

    def categories(self, cells: Cells, i: int, asked: str | Sequence[str]) -> list[str]:
        """The categories, none of a column of numbers; as `coded` finds them.

        Raises:
            UsageError: it is neither.
        """
        if not (self.words or self.named):
            return []
        names = label_names(self.counts, None)
        found = sorted_names(names)
        if self.named:
            check_named(cells, cells.names[i], found)
        elif asked == "none" or not few_words(self.known, len(found), self.words):
            assert self.first is not None
            line, word = self.first
            columns = [[word] if k == i else [] for k in range(len(cells.names))]
            told = Cells(cells.where, cells.names, columns, [f"line {line}"])
            raise no_number(told, i, 0, self.known, len(found))
        return found


def rows_of(cells: DiskTensor, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
    """Read some rows of the cells that `StreamedTable.write` wrote, in parts and in order.

    Args:
        cells: (N, columns).
        rows: their numbers, ascending.
    """
    # One column is summed in pairs, which parts of it would not be.
    size = len(rows) if cells.shape[1] == 1 else CHUNK
    for first in range(0, len(rows), max(size, 1)):
        yield cells[torch.from_numpy(rows[first : first + size])].numpy()
