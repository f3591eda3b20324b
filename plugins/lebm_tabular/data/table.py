"""The user's own table: a .csv file with a line of names, or an .npz file of arrays."""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.files import DataFiles, open_lines
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, did_you_mean
from lebm_tabular.data.dataset import Rows, TabularDataset

__all__ = ["table"]

EMPTY = ("", "na", "nan", "?", "null", "none")  # how files write a value that is missing
UNKNOWN = "-1"
FILE = Needs("tabular.file", source="FILE.csv or FILE.npz")


class _Table(NamedTuple):
    """Contents of a file: x (N, features), the label of each row, "" where unknown, and places."""

    columns: list[str]
    x: NDArray[np.float64]
    labels: list[str] | None
    places: Sequence[str]  # "line 7" or "row 5", of each row


def table(
    *, files: DataFiles, seed: int, source: str = "", label: str = "label", valid: float = 0.1,
    test: float = 0.1, scaling: str = "columns",
) -> TabularDataset:  # fmt: skip
    """A .csv file whose first line names its columns, or an .npz file with x (and labels).

    A missing value is an empty field, NA, NaN or "?"; NaN in an .npz. A label that is empty or -1
    is unknown: such rows are all trained on. The rows to choose and to judge by are labelled ones.

    Args:
        files: not used.
        seed: of the splits.
        source: the file
        label: column of the labels (the array, in an .npz); empty for a table without
        valid: share of the labelled rows to choose by
        test: share of the labelled rows to judge by
        scaling: columns (mean 0, variance 1), or none, as the likelihood "bernoulli" needs it

    Raises:
        UsageError: naming the file, its line, and what is wrong there.
    """
    FILE.check(source)
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise UsageError(
            f"data.valid = {valid:g} and data.test = {test:g} must be above 0, their sum below 1."
        )
    path = Path(source)
    content = _npz(path, label) if path.suffix == ".npz" else _csv(path, label)
    rows = _split(content, valid, test, seed, path)
    classes, y = _classes(content, rows, label, path)
    splits = {name: Rows(content.x[r], None if y is None else y[r]) for name, r in rows.items()}
    summary = {"source": path.name}
    return TabularDataset(splits, content.columns, summary, classes, scaling)


def _csv(path: Path, label: str) -> _Table:
    lines = open_lines(path)
    reader = csv.reader(text + "\n" for _, text in lines)
    names = [name.strip() for name in next(reader)]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise UsageError(f'{path}, line 1: the column "{twice}" is there twice.')
    if len(names) == 1 and re.search("[;\t]", names[0]):
        raise UsageError(
            f'{path}, line 1: "{names[0][:40]}" has no comma; separate columns by commas.'
        )
    if label and label not in names:
        raise UsageError(
            f'{path} has no column "{label}" for the labels: it has {_listed(names)}.'
            + did_you_mean(label, names)
            + " data.label names it, and is empty for a table without labels."
        )
    features = [i for i, name in enumerate(names) if name != label]
    x: list[list[float]] = []
    labels: list[str] = []
    places: list[str] = []
    for fields in _fields(reader, path):
        place = f"line {reader.line_num}"
        if not any(field.strip() for field in fields):
            continue
        if len(fields) != len(names):
            quote = "; is a quote unclosed?" if "\n" in "".join(fields) else "."
            raise UsageError(
                f"{path}, {place}: {len(fields)} of the {len(names)} values that line 1 names"
                + quote
            )
        x.append([_number(fields[i], names[i], path, place) for i in features])
        places.append(place)
        if label:
            labels.append(_label(fields[names.index(label)]))
    columns = [names[i] for i in features]
    if not columns or not x:
        raise UsageError(f"{path} has {len(columns)} columns of numbers and {len(x)} rows.")
    return _Table(columns, np.array(x), labels if label else None, places)


def _fields(reader: Any, path: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}; is a quote unclosed?") from None


def _number(field: str, column: str, path: Path, place: str) -> float:
    text = field.strip()
    if text.lower() in EMPTY:
        return np.nan
    try:
        value = float(text)
    except ValueError:
        raise UsageError(
            f'{path}, {place}: "{text[:30]}" in the column "{column}" is not a number.'
        ) from None
    if not np.isfinite(value):
        raise UsageError(f'{path}, {place}: the column "{column}" is infinite.')
    return value


def _label(value: Any) -> str:
    """Normalise the name of a class, "" where it is unknown; 2.0 and 2 are one class."""
    text = str(value).strip()
    if text.endswith(".0") and text[:-2].lstrip("-").isdecimal():
        text = text[:-2]
    return "" if text in ("", UNKNOWN) or text.lower() == "nan" else text


def _npz(path: Path, label: str) -> _Table:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
    except FileNotFoundError:
        raise UsageError(f'There is no file "{path}".') from None
    except (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"{path} cannot be read as .npz: {error}.") from None
    for name in ("x", label) if label else ("x",):
        if name not in arrays:
            raise UsageError(
                f'{path} has no array "{name}": it has {_listed(list(arrays))}.'
                + did_you_mean(name, arrays)
                + (" data.label names that of the labels, or is empty." if name == label else "")
            )
    x = arrays["x"]
    if x.ndim != 2 or x.dtype.kind not in "uifb" or not x.size:
        raise UsageError(
            f'{path}: the array "x" must be numbers of the shape (rows, columns), not {x.dtype} of '
            f"{x.shape}."
        )
    if np.isinf(x.astype(float)).any():
        row = int(np.argwhere(np.isinf(x.astype(float)))[0, 0])
        raise UsageError(f'{path}, row {row} of "x": a value is infinite.')
    labels = None
    if label:
        if arrays[label].shape != x.shape[:1]:
            raise UsageError(
                f'{path}: "x" has {len(x)} rows, and "{label}" the shape {arrays[label].shape}.'
            )
        labels = [_label(value) for value in arrays[label].tolist()]
    columns = [f"x{i}" for i in range(x.shape[1])]
    return _Table(columns, x.astype(np.float64), labels, [f"row {i}" for i in range(len(x))])


def _split(
    content: _Table, valid: float, test: float, seed: int, path: Path
) -> dict[str, NDArray[np.int64]]:
    """Draw row numbers by split; the validation and test rows are labelled ones."""
    known = np.arange(len(content.x))
    if content.labels is not None:
        known = np.flatnonzero([bool(name) for name in content.labels])
    shuffled = np.random.default_rng(seed).permutation(known)
    n_test, n_valid = round(test * len(known)), round(valid * len(known))
    if not (n_test and n_valid and len(known) > n_test + n_valid):
        raise UsageError(
            f"{path} has {len(known)} {'rows' if content.labels is None else 'labelled rows'}, too "
            f"few for data.valid = {valid:g} and data.test = {test:g} of them."
        )
    held = shuffled[: n_test + n_valid]
    return {
        "train": np.setdiff1d(np.arange(len(content.x)), held),
        "valid": np.sort(held[n_test:]),
        "test": np.sort(held[:n_test]),
    }


def _classes(
    content: _Table, rows: dict[str, NDArray[np.int64]], label: str, path: Path
) -> tuple[list[str], NDArray[np.int64] | None]:
    """Return the names of the classes, in order, and each row's class id, -1 where unknown."""
    if content.labels is None:
        return [], None
    named = {name for name in content.labels if name}
    if len(named) < 2:
        only = f"one class, {next(iter(named))}" if named else "no label"
        raise UsageError(f'{path}: the column "{label}" holds {only}: at least two are needed.')
    trained = {content.labels[row] for row in rows["train"]}
    for split in ("valid", "test"):
        for row in rows[split]:
            if content.labels[row] not in trained:
                raise UsageError(
                    f'{path}, {content.places[row]}: the label "{content.labels[row]}" of the '
                    f"{split} split is not in the training split: give more rows of it, or another "
                    "--seed."
                )
    numeric = all(name.lstrip("-").isdecimal() for name in named)
    classes = sorted(named, key=int if numeric else None)
    ids = {name: i for i, name in enumerate(classes)}
    return classes, np.array([ids.get(name, -1) for name in content.labels], dtype=np.int64)


def _listed(names: list[str], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
