"""Labels as a user's file writes them: which are missing, which are one class, in which order.

One rule for every reader and for the estimator; features share the words for a missing value.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.errors import UsageError, shown

__all__ = [
    "Classes", "as_number", "check_classes", "classes_of", "is_missing", "is_unlabelled",
    "label_names", "one_column", "sorted_names",
]  # fmt: skip

MISSING = frozenset(
    ("", "?", "NA", "na", "#N/A", "N/A", "n/a", "<NA>", "<na>", "NaN", "nan", "NAN", "NaT", "nat")
    + ("None", "NULL", "Null", "null")
)  # spelled so: "none" may be a class, "Na" sodium, "Nan" a name
NUMBER = re.compile(r"[+-]?(\d{1,300}\.?\d{0,300}|\.\d{1,300})(e[+-]?\d{1,3})?", re.IGNORECASE)
FEW = 100  # classes, up to which a single example each may be meant


class Classes(NamedTuple):
    """The classes of labels.

    Attributes:
        names: of the classes, in the order of their ids: numbers by size, words by the alphabet.
        ids: (N,) the class id of each example, -1 where it has no label.
    """

    names: list[str]
    ids: NDArray[np.int64]


def is_missing(value: Any) -> bool:
    """Whether a value is one that files, pandas and NumPy write where nothing is known.

    >>> [is_missing(v) for v in ("NA", " ? ", None, float("nan"), "<NA>", "no", "none", 0)]
    [True, True, True, True, True, False, False, False]
    """
    if value is None:
        return True
    if isinstance(value, str):
        return value.strip() in MISSING
    try:
        return bool(value != value)  # NaN and NaT
    except (TypeError, ValueError):  # pandas.NA has no truth value
        return np.ndim(value) == 0


def is_unlabelled(value: Any, marker: Any = -1) -> bool:
    """Whether a label means that the class is not known: a missing value, or the marker.

    Args:
        value: the label.
        marker: as a number it stands for all writings of it; None for missing values alone.

    >>> [is_unlabelled(v) for v in (-1, "-1.0", "NA", "", 0, "one")]
    [True, True, True, True, False, False]
    """
    if is_missing(value):
        return True
    if is_missing(marker):
        return False
    number = as_number(marker)
    if number is not None:
        return as_number(value) == number
    return str(value).strip() == str(marker).strip()


def label_names(labels: Iterable[Any], marker: Any = -1) -> list[str]:
    """The name of each label's class, "" where the class is not known.

    Where all known labels are numbers, those of one value are one class.

    >>> label_names([0, "0.0", "2", "NA", -1]), label_names(["0.0", "0", "no"])
    (['0', '0', '2', '', ''], ['0.0', '0', 'no'])
    """
    plain = [None if is_unlabelled(label, marker) else label for label in labels]
    numbers = [None if label is None else as_number(label) for label in plain]
    if all(n is not None for n, label in zip(numbers, plain, strict=True) if label is not None):
        return ["" if n is None else _written(n) for n in numbers]
    return ["" if label is None else str(label).strip() for label in plain]


def sorted_names(names: Iterable[str]) -> list[str]:
    """The distinct names of classes without "", numbers by size and words by the alphabet.

    >>> sorted_names(["10", "9", ""]), sorted_names(["b", "10", "9"])
    (['9', '10'], ['10', '9', 'b'])
    """
    distinct = set(names) - {""}
    numbers = {name: as_number(name) for name in distinct}
    if all(number is not None for number in numbers.values()):
        return sorted(distinct, key=lambda name: (numbers[name], name))
    return sorted(distinct)


def classes_of(labels: Iterable[Any], where: str) -> Classes:
    """The classes of labels, by their values: 10, 20 and 30 are three.

    Args:
        labels: one for each example: strings, numbers, missing values.
        where: the file and the column, for an error.

    Raises:
        UsageError: for fewer than two classes, or labels of which most occur but once.
    """
    given = label_names(labels)
    names = sorted_names(given)
    check_classes(names, given, where)
    place = {name: i for i, name in enumerate(names)} | {"": -1}
    return Classes(names, np.array([place[name] for name in given], dtype=np.int64))


def check_classes(names: Sequence[str], given: Sequence[str], where: str) -> None:
    """Refuse labels that are no classes; see `classes_of`."""
    if len(names) < 2:
        held = f"one class, {shown(names[0])}" if names else "no label"
        beside = " (-1 means no label)" if list(names) == ["1"] else ""
        raise UsageError(f"{where} holds {held}{beside}: at least two classes are needed.")
    once = sum(n == 1 for name, n in Counter(given).items() if name)
    if len(names) > FEW and 2 * once > len(names):
        known = sum(name != "" for name in given)
        raise UsageError(
            f"{where} holds {len(names):,} different labels for {known:,} examples, most of them "
            "of a single one: these are no classes. Name the column of the classes, or none."
        )


def one_column(labels: NDArray[Any], n: int, where: str) -> list[Any]:
    """The n labels of an array as values of Python, one for each example.

    Args:
        labels: (n,) or (n, 1), of any type.
        n: how many examples there are.
        where: the file and the array, for an error.

    Raises:
        UsageError: for another shape, such as that of one-hot rows.
    """
    if labels.shape not in ((n,), (n, 1)):
        hint = ""
        if labels.ndim == 2 and len(labels) == n:
            hint = " Rows with a column for each class become labels by labels.argmax(1)."
        raise UsageError(
            f"{where} has the shape {labels.shape}: one label for each of the {n:,} examples is "
            f"needed.{hint}"
        )
    values: list[Any] = labels.reshape(-1).tolist()
    return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in values]


def as_number(value: Any) -> float | int | None:
    """The number that a label is; None for a word, a truth value and what is not finite."""
    if isinstance(value, (bool, np.bool_)):
        return None
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    string = str(value).strip()
    if not NUMBER.fullmatch(string):
        return None
    if string.lstrip("+-").isdecimal():
        return int(string)
    number = float(string)
    return number if math.isfinite(number) else None


def _written(number: float | int) -> str:
    """The shortest writing of a number: 0 for 0.0."""
    return str(int(number)) if number == int(number) else repr(float(number))
