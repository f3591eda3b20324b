"""A user's .csv file: a line of names, then rows of cells, of which some may be missing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.classes import as_number, is_missing
from lebm_core.data.columns import open_columns, refuse_twice
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_tabular.data.cells import Cells, coded, listed, number_of

__all__ = [
    "ROW_NUMBERS", "Table", "check_columns", "open_table", "read_cells", "read_csv",
    "warn_of_counts",
]  # fmt: skip

OTHERS = frozenset(
    (".arff", ".feather", ".h5", ".json", ".jsonl", ".ods", ".parquet", ".pickle", ".pkl")
    + (".xls", ".xlsx")
)
ROW_NUMBERS = ("", "unnamed: 0", "index", "id", "row")  # names of a first column that counts rows


class Table(NamedTuple):
    """Contents of a file.

    Attributes:
        columns: names of the columns that are learned from.
        x: (N, columns) numbers and ids of categories, NaN where a value is missing.
        labels: of each row, if there are any.
        places: "line 7" or "row 5", of each row.
        left_out: columns that are not learned from.
        categories: of each column, none for one of numbers.
    """

    columns: list[str]
    x: NDArray[np.float64]
    labels: list[Any] | None
    places: Sequence[str]
    left_out: list[str]
    categories: list[list[str]]


def read_csv(
    path: Path, label: str, without: Sequence[str], categories: str | Sequence[str] = "auto"
) -> Table:
    """Read a table to learn from.

    A column without a name and without values is left out, and so is a first column that does
    nothing but count the rows, as pandas writes its index.

    Args:
        path: the file, plain or gzipped.
        label: column of the labels; empty for none.
        without: columns to leave out.
        categories: which columns are, see `coded`.

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    first, names, rows = open_table(path, label, without)
    places, cells = _gathered(rows, len(names))
    taken = [i for i, name in enumerate(names) if name not in (label, *without) or not name]
    empty = [i for i in taken if not names[i] and all(map(is_missing, cells[i]))]
    counts = [i for i in taken if i == 0 and i not in empty and _counts_rows(names[i], cells[i])]
    kept = [i for i in taken if i not in (*empty, *counts)]
    columns = [names[i] for i in kept]
    check_columns(path, first, columns, kept, len(places))
    if counts:
        warn_of_counts(path, names[0], stacklevel=4)
    x, found = coded(Cells(str(path), columns, [cells[i] for i in kept], places), categories)
    left_out = [*without, *(names[i] or "row numbers" for i in counts)]
    labels = cells[names.index(label)] if label else None
    return Table(columns, x, labels, places, left_out, found)


def open_table(
    path: Path, label: str, without: Sequence[str]
) -> tuple[int, list[str], Iterator[tuple[int, list[str]]]]:
    """Open a table to learn from, see `open_columns`, once its names are known to be possible.

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    if path.suffix.lower() in OTHERS:
        raise UsageError(
            f"{path}: tabular.file reads .csv and .npz files, not {path.suffix}: a DataFrame's "
            'to_csv("FILE.csv", index=False) writes one.'
        )
    first, names, rows = open_columns(path)
    _check_names(names, label, without, f"{path}, line {first}", path)
    return first, names, rows


def read_cells(path: Path) -> Cells:
    """Read all columns of a .csv file.

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    first, names, rows = open_columns(path)
    refuse_twice(names, f"{path}, line {first}")
    places, cells = _gathered(rows, len(names))
    return Cells(str(path), names, cells, places)


def check_columns(
    path: Path, first: int, columns: Sequence[str], kept: Sequence[int], rows: int
) -> None:
    """Refuse a table with nothing to learn from, or with a column that has values and no name."""
    if not columns or not rows:
        raise UsageError(f"{path} has {len(columns)} columns to learn from and {rows} rows.")
    if "" in columns:
        raise UsageError(
            f"{path}, line {first}: column {kept[columns.index('')] + 1} has no name: name it, or "
            "leave it out; a DataFrame's to_csv(index=False) writes no index."
        )


def warn_of_counts(path: Path, name: str, stacklevel: int) -> None:
    """Say that the first column is left out."""
    warnings.warn(
        f"{path}: the first column, {shown(name)}, only counts the rows and is left out.",
        stacklevel=stacklevel,
    )


def _gathered(
    rows: Iterator[tuple[int, list[str]]], width: int
) -> tuple[list[str], list[list[str]]]:
    """Gather the places of rows, and their cells by column."""
    places: list[str] = []
    columns: list[list[str]] = [[] for _ in range(width)]
    for line, fields in rows:
        places.append(f"line {line}")
        for column, field in zip(columns, fields, strict=True):
            column.append(field)
    return places, columns


def _check_names(
    names: list[str], label: str, without: Sequence[str], where: str, path: Path
) -> None:
    if len(names) == 1 and (re.search(r"[;\t|]", names[0]) or _words(names[0], label)):
        raise UsageError(
            f"{where}: {shown(names[0], 40)} has no comma; separate columns by commas."
        )
    numbers = [as_number(name) for name in names]
    known = [number for number in numbers if number is not None]
    if len(known) == len(names) > 1 and not all(a < b for a, b in pairwise(known)):
        raise UsageError(
            f"{where}: {listed(names, 4)} are numbers: the first line must name the columns."
        )
    refuse_twice(names, where)
    if label and label not in names:
        raise UsageError(
            f"{path} has no column {shown(label)} for the labels: it has {listed(names)}."
            + did_you_mean(label, names)
            + (" Its first line must name the columns." if 2 * len(known) > len(names) else "")
            + " data.label names it, and is empty for a table without labels."
        )
    for name in without:
        if name not in names or name == label:
            raise UsageError(
                f"data.without: {path} has no column {shown(name)} that is no label; it has "
                f"{listed(names)}.{did_you_mean(name, names)}"
            )


def _words(name: str, label: str) -> bool:
    """Whether the only column's name holds that of the labels, and so names several columns."""
    return bool(label) and label != name and label in name.split()


def _counts_rows(name: str, cells: Sequence[str]) -> bool:
    """Whether a column counts the rows from 0 or 1 and is named as one that does."""
    if name.lower() not in ROW_NUMBERS or not cells:
        return False
    values = [number_of(cell) for cell in cells]
    start = values[0]
    return start in (0, 1) and values == [start + i for i in range(len(values))]
