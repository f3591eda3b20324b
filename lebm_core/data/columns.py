"""Columns by name: of a .csv file with a line of names, or of what a user holds in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.table import Table
from lebm_core.data.files import open_rows, own_path
from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["columns_in", "numbers_in", "open_columns", "read_columns", "refuse_twice"]


def read_columns(source: Any) -> Table:
    """The columns of a .csv file, whose first line names them, or of what `columns_in` takes.

    Cells of a file are strings.

    Raises:
        UsageError: naming the file and the line that is wrong; for a source of another kind.
    """
    if isinstance(source, (str, Path)):
        return _of_file(own_path(source))
    table = columns_in(source)
    if table is None:
        raise UsageError(
            f"A {type(source).__name__} has no columns by name; give a .csv file, a DataFrame or a "
            "mapping of columns."
        )
    return table


def open_columns(path: Path) -> tuple[int, list[str], Iterator[tuple[int, list[str]]]]:
    """The line that names the columns of a .csv file, the names, and the rows with their lines.

    Raises:
        UsageError: naming the file and the line that has another number of cells than names.
    """
    lines = open_rows(path)
    first, head = next(lines)

    def rows() -> Iterator[tuple[int, list[str]]]:
        for line, fields in lines:
            if len(fields) != len(head):
                quote = "; is a quote unclosed?" if "\n" in "".join(fields) else "."
                raise UsageError(
                    f"{path}, line {line}: {len(fields)} of the {len(head)} values that line "
                    f"{first} names{quote}"
                )
            yield line, fields

    return first, [name.strip() for name in head], rows()


def refuse_twice(names: Sequence[str], where: str) -> None:
    """Refuse columns of one name; those without a name are left to the caller.

    Raises:
        UsageError: naming the column.
    """
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        raise UsageError(f"{where}: the column {shown(twice)} is there twice.")


def columns_in(source: Any) -> Table | None:
    """A `Table`, a mapping of columns or a DataFrame as a `Table`; None for anything else."""
    if isinstance(source, Table):
        return source
    if isinstance(source, Mapping):
        return Table(source)
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):  # a DataFrame
        return Table({str(name): source[name].tolist() for name in source.columns})
    return None


def numbers_in(table: Table, columns: Sequence[str], where: Any = "the table") -> NDArray[Any]:
    """Some columns as numbers, (rows, columns) of float64.

    Args:
        table: with these columns, and perhaps others.
        columns: their names, in the order that is wanted.
        where: the file that the table was read from, for errors; anything else is no file.

    Raises:
        UsageError: naming the column that is not there, or the row of what is no finite number.
    """
    place = str(where) if isinstance(where, (str, Path)) else "the table"
    x = np.empty((len(table), len(columns)))
    for i, name in enumerate(columns):
        if name not in table.columns:
            raise UsageError(
                f"There is no column {shown(name)} in {place}; the columns are "
                f"{shown(', '.join(table.names), 300)}.{did_you_mean(name, table.names)}"
            )
        x[:, i] = [_number(v, name, place, row) for row, v in enumerate(table[name], 1)]
    return x


def _number(value: Any, column: str, place: str, row: int) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(
            f"{place}, row {row}: {shown(value, 30)} in the column {shown(column, 30)} is no "
            "finite number."
        )
    return number


def _of_file(path: Path) -> Table:
    first, names, rows = open_columns(path)
    refuse_twice(names, f"{path}, line {first}")
    cells = [fields for _, fields in rows]
    return Table({name: [row[i] for row in cells] for i, name in enumerate(names)})
