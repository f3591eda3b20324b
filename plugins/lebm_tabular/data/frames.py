"""The cells of a DataFrame or an array that an estimator is given."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.classes import is_missing
from lebm_tabular.data.cells import Cells

__all__ = ["cells_in", "is_frame", "replaced"]

NUMBERS = "biuf"  # kinds of types whose columns are of numbers


def cells_in(X: Any, every: bool) -> Cells | None:  # noqa: N803
    """Read the columns of X, those of an array as x0, x1 and so on.

    Args:
        X: a DataFrame, an array or a list of rows.
        every: also where all columns are of numbers.

    Returns:
        None for what is no such table, what holds other things than words and numbers, and columns
        of numbers alone where not `every`: that is for scikit-learn to read or to refuse.
    """
    columns: list[Any]
    if is_frame(X):
        names = [str(name) for name in X.columns]
        columns = [_column(X.iloc[:, i]) for i in range(len(names))]
    elif isinstance(X, (list, tuple, np.ndarray)):
        rows = _rows(X)
        if rows is None or not every and rows.dtype.kind in NUMBERS:
            return None
        names = [f"x{i}" for i in range(rows.shape[1])]
        columns = [rows[:, i] if rows.dtype.kind in NUMBERS else rows[:, i].tolist()
                   for i in range(len(names))]  # fmt: skip
    else:
        return None
    lists = [column for column in columns if isinstance(column, list)]
    if not every and not lists or not all(_is_plain(cell) for each in lists for cell in each):
        return None
    n = len(columns[0]) if columns else 0
    return Cells(
        "X", names, columns, [f"row {row}" for row in range(n)],
        key="adapter_options, categories", leave="leave the column out",
        take='or adapter_options={{"categories": ["{0}"]}} takes',
    )  # fmt: skip


def replaced(X: Any, columns: Mapping[int, NDArray[np.float64]]) -> Any:  # noqa: N803
    """Return X with other columns in some places."""
    if not columns:
        return X
    if is_frame(X):
        frame = X.copy()
        for i, values in columns.items():
            frame.isetitem(i, values)
        return frame
    rows = np.array(X, dtype=object)
    for i, values in columns.items():
        rows[:, i] = values
    return rows


def is_frame(X: Any) -> bool:  # noqa: N803
    """Whether X is a DataFrame."""
    return hasattr(X, "iloc") and hasattr(X, "columns")


def _column(series: Any) -> Any:
    """A column of numbers as an array, any other as a list of cells."""
    values = series.to_numpy() if getattr(series.dtype, "kind", "O") in NUMBERS else None
    if values is not None and values.dtype.kind in NUMBERS:
        return values
    return series.tolist()


def _rows(X: Any) -> NDArray[Any] | None:  # noqa: N803
    """Rows as an array, of numbers where they are; None where they are no table."""
    try:
        rows = np.asarray(X)
        if rows.dtype.kind not in NUMBERS:
            rows = np.array(X, dtype=object)
    except ValueError:  # rows of different lengths
        return None
    return rows if rows.ndim == 2 else None


def _is_plain(cell: Any) -> bool:
    return isinstance(cell, (str, Real, Decimal, np.bool_)) or is_missing(cell)
