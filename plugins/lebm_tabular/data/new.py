"""Rows that a trained model has not seen: of a file, a DataFrame, a table or an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.table import Table
from lebm_core.data.arrays import need_array, read_npz
from lebm_core.data.files import open_rows
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_tabular.data.delimited import listed, number_in

__all__ = ["new_rows"]


def new_rows(source: Any, columns: Sequence[str]) -> tuple[NDArray[np.float64], Table]:
    """Read rows of the training's columns, in any order and with others beside them.

    Args:
        source: a .csv or .npz file, a DataFrame, a `Table` or mapping of columns, or an array (N,
            features) or list of rows in the order of the columns.
        columns: names of the features.

    Returns:
        x (N, features), NaN where a value is missing, and all columns of the source.

    Raises:
        UsageError: naming a column that is missing, a width that is another, a value that is no
            number.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() not in (".npz", ".npy"):
            return _of_columns(_csv(path), columns, str(path))
        return _of_array(need_array(read_npz(path), "x", path), columns, f'{path}, "x",')
    if hasattr(source, "columns") and hasattr(source, "to_numpy"):  # a DataFrame
        table = Table({str(name): source[name].tolist() for name in source.columns})
        return _of_columns(table, columns, "The DataFrame")
    if isinstance(source, Table):
        return _of_columns(source, columns, "The table")
    if isinstance(source, Mapping):
        return _of_columns(Table(source), columns, "The table")
    return _of_array(source, columns, "The array")


def _csv(path: Path) -> Table:
    rows = open_rows(path)
    first, head = next(rows)
    names = [name.strip() for name in head]
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise UsageError(f"{path}, line {first}: the column {shown(twice)} is there twice.")
    cells: list[list[str]] = []
    for line, fields in rows:
        if len(fields) != len(names):
            raise UsageError(
                f"{path}, line {line}: {len(fields)} of the {len(names)} values that line {first} "
                "names."
            )
        cells.append(fields)
    return Table({name: [row[i] for row in cells] for i, name in enumerate(names)})


def _of_columns(
    table: Table, columns: Sequence[str], where: str
) -> tuple[NDArray[np.float64], Table]:
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise UsageError(
            f"{where} has no column {shown(missing[0])}, which the model was trained on; it has "
            f"{listed(table.names)}.{did_you_mean(missing[0], table.names)}"
        )
    x = np.empty((len(table), len(columns)))
    for i, name in enumerate(columns):
        x[:, i] = [number_in(v, name, where, f"row {row + 1}") for row, v in enumerate(table[name])]
    return x, table


def _of_array(source: Any, columns: Sequence[str], where: str) -> tuple[NDArray[np.float64], Table]:
    try:
        x = np.array(source, dtype=np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{where} does not hold numbers in rows of one length.") from None
    if x.ndim != 2 or x.shape[1] != len(columns):
        raise UsageError(
            f"{where} has the shape {x.shape}; use (N, {len(columns)}), the columns being "
            f"{listed(columns)}."
        )
    if np.isinf(x).any():
        raise UsageError(f"{where} has an infinite value in row {np.argwhere(np.isinf(x))[0, 0]}.")
    return x, Table({name: x[:, i].tolist() for i, name in enumerate(columns)})
