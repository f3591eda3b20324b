"""The labels of an estimator's y as class ids, by scikit-learn's conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import train_test_split
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from torch import Tensor

from lebm_core.data.classes import as_number, is_missing, is_unlabelled, label_names
from lebm_core.errors import shown

__all__ = ["accuracy", "class_ids", "column", "held_out", "ids_of"]

NUMBERS = "biuf"  # kinds of types whose labels are all numbers, NaN the only missing one


def class_ids(y: ArrayLike, n: int, unlabelled: Any) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The classes (C,), sorted, and the class id of each example (n,), -1 where unknown.

    Labels that are all strings, all numbers or all truth values keep their type. Those of one
    number are one class: 0, 0.0 and "0".

    Args:
        y: (n,) labels.
        n: examples of X.
        unlabelled: the label that means none, beside missing values; None where every example has
            one.

    Raises:
        ValueError: for no y, another shape, no known label, one class only, or real numbers.
        TypeError: for words beside numbers.
    """
    if y is None:
        raise ValueError(
            "This LatentEBMClassifier estimator requires y to be passed, but the target y is "
            f"None; give {unlabelled!r} for an example without a label."
        )
    given = column(y, n)
    unknown = _unknown(given, unlabelled)
    if not (~unknown).any():
        raise ValueError(
            f"No label of y is known, each is {unlabelled!r} or missing: at least two classes are "
            "needed."
        )
    known = _of_one_type(given[~unknown], unlabelled)
    check_classification_targets(known)
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError("Input y contains NaN or infinity: labels must be finite.")
    classes, ids = np.unique(known, return_inverse=True)
    if len(classes) < 2:
        beside = ""
        if unlabelled is not None and as_number(unlabelled) == -1 and unknown.any():
            beside = " (-1 means no label; with unlabelled=None it is a class)"
        raise ValueError(
            f"The labels hold one class, {classes[0]}{beside}: a classifier needs at least two."
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
    given = np.asarray(y, dtype=object).reshape(-1).tolist()
    if len(given) not in (1, n):
        raise ValueError(f"y has {len(given)} classes for {n} examples: give one, or {n}.")
    ids = _places(given, classes)
    for label, place in zip(given, ids, strict=True):
        if place < 0:
            known = ", ".join(map(str, classes[:20])) + ", ..." * (len(classes) > 20)
            raise ValueError(f"There is no class {label!r}: known are {known}.")
    return np.resize(ids, n)


def accuracy(
    ids: NDArray[np.int64], y: ArrayLike, weights: Any, classes: NDArray[Any], unlabelled: Any
) -> float:
    """The share of the examples with a known label whose class was found.

    Args:
        ids: (n,) the class ids that were predicted.
        y: (n,) labels; a class that was not learned is never found.
        weights: (n,) of the examples, or None.
        classes: (C,) those that were learned.
        unlabelled: as `class_ids`.

    Raises:
        ValueError: as `class_ids`, and where no label is known.
    """
    given = column(y, len(ids))
    known = ~_unknown(given, unlabelled)
    if not known.any():
        raise ValueError(
            f"No label of y is known, each is {unlabelled!r} or missing: there is nothing to score."
        )
    found = ids[known] == _places(given[known].tolist(), classes)
    return float(np.average(found, weights=None if weights is None else np.asarray(weights)[known]))


def column(y: Any, n: int) -> NDArray[Any]:
    """y as an array (n,): of numbers, or of objects as they were given."""
    if isinstance(y, Tensor):
        y = y.detach().cpu().numpy()
    dtype = getattr(y, "dtype", None)
    plain = isinstance(dtype, np.dtype) and dtype.kind in NUMBERS
    given = np.asarray(y) if plain else np.asarray(y, dtype=object)
    if given.ndim == 2 and given.shape[1] == 1:
        given = column_or_1d(given, warn=True)
    if given.ndim != 1:
        hint = " Rows with a column for each class become labels by y.argmax(1)."
        raise ValueError(
            f"y has the shape {given.shape}: one label for each of the {n} examples is needed."
            + hint * (given.ndim == 2)
        )
    if len(given) != n:
        raise ValueError(f"X has {n} examples, y has {len(given)} labels: give one for each.")
    return given


def _unknown(given: NDArray[Any], unlabelled: Any) -> NDArray[np.bool_]:
    """Which labels are missing, or the marker."""
    if given.dtype.kind in NUMBERS:
        missing = np.isnan(given) if given.dtype.kind == "f" else np.zeros(len(given), dtype=bool)
    else:
        missing = np.array([is_missing(label) for label in given], dtype=bool)
    if unlabelled is None:
        if missing.any():
            row = int(missing.argmax())
            raise ValueError(
                f"Input y contains NaN or another missing value, {shown(given[row])} in row {row}: "
                "with unlabelled=None every example needs a label."
            )
        return missing
    if given.dtype.kind in NUMBERS:
        number = None if is_missing(unlabelled) else as_number(unlabelled)
        if number is None or given.dtype.kind == "b":
            return missing
        return np.asarray(missing | (given == number))
    return np.array([is_unlabelled(label, unlabelled) for label in given], dtype=bool)


def _of_one_type(known: NDArray[Any], unlabelled: Any) -> NDArray[Any]:
    """Known labels as an array of one type; numbers among strings are numbers."""
    if known.dtype.kind in NUMBERS:
        return known
    labels: list[Any] = known.tolist()
    words = {isinstance(label, str) for label in labels}
    if words == {True, False}:
        labels = [as_number(label) for label in labels]
        if None in labels:
            raise TypeError("y mixes strings with numbers: labels must be of one type.")
    if words == {True}:
        return np.asarray(_one_writing(labels, unlabelled))
    return np.asarray(labels)


def _one_writing(words: list[str], unlabelled: Any) -> list[str]:
    """One writing of each class: the user's where there is but one, "0" for "0" and "0.0"."""
    names = label_names(words, unlabelled)
    writings: dict[str, set[str]] = {}
    for name, word in zip(names, words, strict=True):
        writings.setdefault(name, set()).add(word)
    return [
        name if len(writings[name]) > 1 else word for name, word in zip(names, words, strict=True)
    ]


def _places(labels: list[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The class id of each label, -1 where it is none of the classes."""
    known = classes.astype(np.int64) if classes.dtype.kind == "b" else classes
    numeric = all(as_number(value) is not None for value in known.tolist())

    def name(label: Any) -> str:
        if numeric and isinstance(label, (bool, np.bool_)):
            label = int(label)
        plain = numeric and as_number(label) is not None
        return label_names([label], marker=None)[0] if plain else str(label).strip()

    place = {name(value): i for i, value in enumerate(known.tolist())}
    return np.array([place.get(name(label), -1) for label in labels], dtype=np.int64)
