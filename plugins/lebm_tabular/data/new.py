"""Rows that a trained model has not seen: of a file, a DataFrame, a table or an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.table import Table
from lebm_core.data.arrays import need_array, read_npz
from lebm_core.data.columns import columns_in
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_tabular.data.cells import Cells, ids_of, listed
from lebm_tabular.data.delimited import read_cells
from lebm_tabular.data.preparation import Preparation

__all__ = ["NewRows", "new_rows"]


class NewRows(NamedTuple):
    """Further rows.

    Attributes:
        table: (N, columns), as a `Preparation` takes it.
        records: all columns of the source.
        where: the source, for messages.
        places: of each row.
    """

    table: NDArray[np.float64]
    records: Table
    where: str
    places: Sequence[str]


def new_rows(source: Any, preparation: Preparation) -> NewRows:
    """Read rows of the training's columns, in any order and with others beside them.

    Args:
        source: a .csv or .npz file, a DataFrame, a `Table` or mapping of columns, or an array (N,
            columns) or list of rows in the order of the columns.
        preparation: of the training.

    Raises:
        UsageError: naming a column that is missing, a width that is another, a value that is no
            number, or a category that the training did not have.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() in (".npz", ".npy"):
            x = need_array(read_npz(path), "x", path)
            return _of_array(x, preparation, f'{path}, "x"')
        return _of_columns(read_cells(path), preparation)
    table = columns_in(source)
    if table is None:
        return _of_array(source, preparation, "The array")
    columns = [table[name] for name in table.names]
    return _of_columns(Cells("The table", table.names, columns, _places(len(table))), preparation)


def _of_columns(cells: Cells, preparation: Preparation) -> NewRows:
    missing = [name for name in preparation.columns if name not in cells.names]
    if missing:
        raise UsageError(
            f"{cells.where} has no column {shown(missing[0])}, which the model was trained on; it "
            f"has {listed(cells.names)}.{did_you_mean(missing[0], cells.names)}"
        )
    if not cells.places:
        raise UsageError(f"{cells.where} holds no row.")
    at = [cells.names.index(name) for name in preparation.columns]
    wanted = Cells(cells.where, preparation.columns, [cells.columns[i] for i in at], cells.places)
    records = Table({name: list(cells.columns[i]) for i, name in enumerate(cells.names)})
    return NewRows(ids_of(wanted, preparation.categories), records, cells.where, cells.places)


def _of_array(source: Any, preparation: Preparation, where: str) -> NewRows:
    columns, worded = preparation.columns, any(preparation.categories)
    try:
        x = np.array(source, dtype=object if worded else np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{where} does not hold numbers in rows of one length.") from None
    if x.ndim != 2 or x.shape[1] != len(columns):
        raise UsageError(
            f"{where} has the shape {x.shape}; use (N, {len(columns)}), the columns being "
            f"{listed(columns)}."
        )
    cells = Cells(where, columns, [x[:, i].tolist() for i in range(len(columns))], _places(len(x)))
    return _of_columns(cells, preparation)


def _places(n: int) -> list[str]:
    return [f"row {row}" for row in range(1, n + 1)]
