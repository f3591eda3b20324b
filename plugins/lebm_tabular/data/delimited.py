"""A user's .csv file: a line of names, then rows of numbers, of which some may be missing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.classes import as_number, is_missing
from lebm_core.data.files import open_rows
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["Table", "listed", "number_in", "read_csv"]

OTHERS = frozenset(
    (".arff", ".feather", ".h5", ".json", ".jsonl", ".ods", ".parquet", ".pickle", ".pkl")
    + (".xls", ".xlsx")
)
ROW_NUMBERS = ("", "unnamed: 0", "index", "id", "row")  # names of a first column that counts rows


class Table(NamedTuple):
    """Contents of a file: x (N, features), the label of each row if there are any, and places."""

    columns: list[str]
    x: NDArray[np.float64]
    labels: list[Any] | None
    places: Sequence[str]  # "line 7" or "row 5", of each row
    left_out: list[str]  # columns that are no features


def read_csv(path: Path, label: str, without: Sequence[str]) -> Table:
    """Read a table.

    A column without a name and without values is left out, and so is a first column that does
    nothing but count the rows, as pandas writes its index.

    Args:
        path: the file, plain or gzipped.
        label: column of the labels; empty for none.
        without: columns to leave out.

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    if path.suffix.lower() in OTHERS:
        raise UsageError(
            f"{path}: tabular.file reads .csv and .npz files, not {path.suffix}: a DataFrame's "
            'to_csv("FILE.csv", index=False) writes one.'
        )
    rows = open_rows(path)
    first, head = next(rows)
    names = [name.strip() for name in head]
    _check_names(names, label, without, f"{path}, line {first}", path)
    taken = [i for i, name in enumerate(names) if name not in (label, *without) or not name]
    x: list[list[float]] = []
    labels: list[str] = []
    places: list[str] = []
    for line, fields in rows:
        place = f"line {line}"
        if len(fields) != len(names):
            quote = "; is a quote unclosed?" if "\n" in "".join(fields) else "."
            raise UsageError(
                f"{path}, {place}: {len(fields)} of the {len(names)} values that line {first} names"
                + quote
            )
        x.append([number_in(fields[i], names[i], path, place) for i in taken])
        places.append(place)
        if label:
            labels.append(fields[names.index(label)])
    table = np.array(x).reshape(len(x), len(taken))
    empty = [k for k, i in enumerate(taken) if not names[i] and np.isnan(table[:, k]).all()]
    counts = [k for k, i in enumerate(taken) if i == 0 and _counts_rows(names[i], table[:, k])]
    kept = [k for k in range(len(taken)) if k not in (*empty, *counts)]
    columns = [names[taken[k]] for k in kept]
    if not columns or not x:
        raise UsageError(f"{path} has {len(columns)} columns of numbers and {len(x)} rows.")
    if "" in columns:
        nameless = taken[kept[columns.index("")]] + 1
        raise UsageError(
            f"{path}, line {first}: column {nameless} has no name: name it, or leave it out; a "
            "DataFrame's to_csv(index=False) writes no index."
        )
    if counts:
        warnings.warn(
            f"{path}: the first column, {shown(names[0])}, only counts the rows and is left out.",
            stacklevel=3,
        )
    left_out = [*without, *(names[taken[k]] or "row numbers" for k in counts)]
    return Table(columns, table[:, kept], labels if label else None, places, left_out)


def listed(names: Sequence[str], most: int = 12) -> str:
    """Write out names for a message."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name, 30) for name in names[:most]) + more


def _check_names(
    names: list[str], label: str, without: Sequence[str], where: str, path: Path
) -> None:
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
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
    if twice is not None:
        raise UsageError(f"{where}: the column {shown(twice)} is there twice.")
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


def number_in(field: Any, column: str, path: Path | str, place: str) -> float:
    """Read a cell as a number, NaN where it is missing.

    Raises:
        UsageError: naming the place of what is no finite number.
    """
    if is_missing(field):
        return np.nan
    text = str(field).strip()
    try:
        value = float(text) if "_" not in text else None  # 1_000 is Python's writing alone
    except ValueError:
        value = None
    if value is None:
        raise UsageError(
            f"{path}, {place}: {shown(text, 30)} in the column {shown(column, 30)} is not a "
            f"number; data.without names columns that are left out."
        )
    if np.isinf(value):
        raise UsageError(f"{path}, {place}: the column {shown(column, 30)} is infinite.")
    return value


def _counts_rows(name: str, values: NDArray[np.float64]) -> bool:
    """Whether a column counts the rows from 0 or 1 and is named as one that does."""
    start = values[0] if len(values) else -1
    counted = start in (0, 1) and np.array_equal(values, np.arange(len(values)) + start)
    return counted and name.lower() in ROW_NUMBERS
