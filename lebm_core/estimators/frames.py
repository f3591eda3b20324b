"""Samples as a table such as X was: with its columns and their types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Columns"]


class Columns:
    """The columns of a pandas DataFrame.

    Args:
        frame: X of a training.
    """

    def __init__(self, frame: Any) -> None:
        self.empty = frame.iloc[:0].copy()

    @staticmethod
    def of(X: Any) -> Columns | None:  # noqa: N803
        """Those of X, or None where it has none."""
        return Columns(X) if hasattr(X, "iloc") and hasattr(X, "columns") else None

    def table(self, samples: Any) -> Any:
        """Samples (n, columns) as a DataFrame.

        Whole numbers and truth values are rounded into the range of their type, a number becomes
        the nearest of the categories there are; a column of another type that numbers do not become
        is left as numbers.
        """
        drawn = np.asarray(samples)
        frame = type(self.empty)(drawn, columns=self.empty.columns)
        for i in range(drawn.shape[1]):
            frame.isetitem(i, _typed(_numbers(drawn[:, i]), self.empty.iloc[:, i]))
        return frame


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """A column of objects as numbers where they are some; words as they are."""
    try:
        return values.astype(np.float64) if values.dtype == object else values
    except ValueError:
        return values


def _typed(values: NDArray[Any], column: Any) -> Any:
    """Numbers or words (n,) as a column of the same type, or as they are."""
    Series, dtype = type(column), column.dtype  # noqa: N806
    categories = getattr(dtype, "categories", None)
    try:
        if values.dtype == object:
            return Series(values).astype(dtype)
        if categories is not None:
            known = np.asarray(categories, dtype=np.float64)
            near = np.abs(values[:, None] - known[None]).argmin(1)
            return Series(np.asarray(categories)[near]).astype(dtype)
        kind = getattr(dtype, "kind", "O")
        if kind == "b":
            return Series(values >= 0.5).astype(dtype)
        if kind in "iu":
            name = str(getattr(dtype, "numpy_dtype", dtype))
            least, most = np.iinfo(name).min, np.iinfo(name).max
            top = float(most) if int(float(most)) == most else np.nextafter(float(most), 0)
            return Series(np.rint(values).clip(least, top).astype(name)).astype(dtype)
        return Series(values).astype(dtype) if kind == "f" else values
    except (TypeError, ValueError):
        return values
