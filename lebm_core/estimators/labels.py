"""The labels of an estimator's y as class ids, by scikit-learn's conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

__all__ = ["class_ids", "held_out", "ids_of"]


def class_ids(y: ArrayLike, n: int, unlabelled: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes (C,), sorted, and the class id of each example (n,), -1 where unknown.

    Args:
        y: (n,) labels.
        n: examples of X.
        unlabelled: the label that means none; None where every example has one.

    Raises:
        ValueError: for no y, another length, no known label, one class only, or real numbers.
        TypeError: for strings beside numbers.
    """
    if y is None:
        raise ValueError(
            "This LatentEBMClassifier estimator requires y to be passed, but the target y is "
            f"None; give {unlabelled!r} for an example without a label."
        )
    given = column_or_1d(y, warn=True)
    if len(given) != n:
        raise ValueError(f"X has {n} examples, y has {len(given)} labels: give one for each.")
    unknown = np.zeros(n, dtype=bool)
    if unlabelled is not None:
        if given.dtype.kind in "US" and not isinstance(unlabelled, str):
            raise ValueError(
                f"y has labels that are strings, of which none can be {unlabelled!r}: make y an "
                "array of dtype object, or set unlabelled to a string."
            )
        unknown = np.array([label == unlabelled for label in given.tolist()], dtype=bool)
    known = given[~unknown]
    if not len(known):
        raise ValueError(f"Every label of y is {unlabelled!r}: at least two must be known.")
    if known.dtype.kind == "O":
        kinds = {isinstance(label, str) for label in known.tolist()}
        if len(kinds) > 1:
            raise TypeError("y mixes strings with numbers: labels must be of one type.")
        known = np.asarray(known.tolist())
    check_classification_targets(known)
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError("Input y contains NaN or infinity: labels must be finite.")
    classes, ids = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(
            f"The labels hold one class, {classes[0]}: a classifier needs at least two."
        )
    labels = np.full(n, -1, dtype=np.int64)
    labels[~unknown] = ids
    return classes, labels


def held_out(labels: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    """Which labelled examples are kept for validation: a share of each class, (n,)."""
    known = np.flatnonzero(labels >= 0)
    try:
        _, held = train_test_split(
            known, test_size=share, stratify=labels[known], random_state=seed
        )
    except ValueError as error:
        raise ValueError(
            f"early_stopping holds out {share:g} of the {len(known)} labelled examples, of each "
            f"class one at least, which does not go: {error}"
        ) from None
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[held] = True
    return chosen


def ids_of(y: Any, n: int, classes: NDArray[Any]) -> NDArray[np.int64]:
    """The class ids (n,) of one label for all, or of n labels.

    Raises:
        ValueError: for another number of labels, or an unknown one.
    """
    given, known = np.atleast_1d(np.asarray(y)).tolist(), classes.tolist()
    if len(given) not in (1, n):
        raise ValueError(f"y has {len(given)} classes for {n} examples: give one, or {n}.")
    for label in given:
        if label not in known:
            raise ValueError(
                f"There is no class {label!r}: known are {', '.join(map(str, known))}."
            )
    ids = np.array([known.index(label) for label in given], dtype=np.int64)
    return np.resize(ids, n)
