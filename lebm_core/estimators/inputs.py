"""A user's X as a matrix of numbers, and errors as scikit-learn's users expect them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight, _num_samples, validate_data

from lebm_core.base.checks import fits, whole
from lebm_core.data.adapters import Examples, InputAdapter
from lebm_core.data.classes import is_missing
from lebm_core.errors import UsageError
from lebm_core.estimators.labels import column

__all__ = ["matrix", "not_empty", "number_of_samples", "plain_errors", "weighted"]

NUMBERS = "biufc"  # kinds of types whose missing values scikit-learn knows


@contextmanager
def plain_errors() -> Iterator[None]:
    """A scope in which what lebm refuses is a ValueError, as scikit-learn has it."""
    try:
        yield
    except UsageError as error:
        raise ValueError(str(error)) from None


def matrix(estimator: BaseEstimator, X: Any, adapter: InputAdapter, reset: bool) -> Any:  # noqa: N803
    """X by scikit-learn's conventions; NaN only where it is a missing value.

    None, pandas.NA and words such as "NA" are NaN, by the rule that files are read by; other words
    are what the adapter makes of them.

    Args:
        estimator: remembers the number and the names of the features.
        X: (n, features).
        adapter: says whether values may be missing, and reads words.
        reset: this X is the one to remember.

    Raises:
        ValueError: for another width than before, or for NaN and infinity.
    """
    X = _with_nan(adapter.numbers(X, reset))  # noqa: N806
    found = validate_data(
        estimator, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan"
    )
    if not adapter.missing and np.isnan(found).any():
        known = 'adapter_options={"missing": True}'
        raise ValueError(f"Input X contains NaN: with {known} it is a missing value.")
    return found


def weighted(
    X: Any,  # noqa: N803
    y: Any,
    sample_weight: Any,
) -> tuple[Any, Any, NDArray[np.float64] | None]:
    """X and y without the examples of weight 0, and the weights of the others.

    Args:
        X: n examples.
        y: n labels.
        sample_weight: (n,), or one for all; None where all weigh the same.

    Returns:
        None for the weights too where all are the same.

    Raises:
        ValueError: for weights of another number, below 0, not finite, or all 0.
    """
    if sample_weight is None or y is None:
        return X, y, None
    n = _num_samples(X)
    weights = _check_sample_weight(sample_weight, np.empty((n, 1)), dtype=np.float64)
    if (weights < 0).any():
        raise ValueError(f"sample_weight has {weights.min():g}: weights are from 0 on.")
    kept = np.flatnonzero(weights)
    if len(kept) < n:
        X, y = _safe_indexing(X, kept), column(y, n)[kept]  # noqa: N806
    weights = weights[kept]
    return X, y, None if np.ptp(weights) == 0 else weights / weights.max()


def not_empty(x: Examples) -> Examples:
    """The examples, of which there must be one."""
    if not len(x):
        raise ValueError("X has no examples: give at least one.")
    return x


def number_of_samples(n: Any, d: int) -> int:
    """n as an int, where so many codes of d dimensions can be drawn.

    Raises:
        UsageError: for what is no whole number from 1 on, or more than memory holds.
    """
    number = whole("n", n, 1)
    fits(number * d, f"n = {number:,} samples")
    return number


def _with_nan(X: Any) -> Any:  # noqa: N803
    """X with NaN in place of every other writing of a missing value."""
    frame = hasattr(X, "iloc") and hasattr(X, "columns")
    if frame:
        if all(getattr(dtype, "kind", "O") in NUMBERS for dtype in X.dtypes):
            return X
    elif not isinstance(X, (list, tuple, np.ndarray)):
        return X
    try:
        if not frame and np.asarray(X).dtype.kind in NUMBERS:
            return X
        cells = np.array(X, dtype=object)
    except ValueError:  # rows of different lengths, of which scikit-learn speaks
        return X
    empty = [is_missing(cell) for cell in cells.flat]
    cells[np.reshape(empty, cells.shape)] = np.nan
    return type(X)(cells, index=X.index, columns=X.columns) if frame else cells
