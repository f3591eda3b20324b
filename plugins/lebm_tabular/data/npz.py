"""A user's own .npz file with x and labels, in memory or on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.arrays import extract_array, need_array, read_npz
from lebm_core.data.classes import Classes, classes_of, label_names, one_column, sorted_names
from lebm_core.data.disk.tensors import CHUNK, DiskTensor, TensorWriter, chunks_of
from lebm_core.errors import UsageError, shown
from lebm_tabular.data.cells import Cells, check_named, coded, ids_of, named_in
from lebm_tabular.data.delimited import Table

__all__ = ["StreamedArrays", "check_plain", "read_arrays"]

HINT = " data.label names that of the labels, or is empty."


def read_arrays(path: Path, label: str, categories: str | Sequence[str]) -> Table:
    """Read x (N, columns), and the labels where `label` names an array.

    Raises:
        UsageError: naming the file, the array, and what is wrong there.
    """
    arrays = read_npz(path)
    x = need_array(arrays, "x", path)
    _check_x(x.shape, x.dtype, path)
    x = x.astype(np.float64)
    _check_finite(x, 0, path)
    labels = _labels(arrays, label, len(x), path)
    columns, places = _columns(x.shape[1]), _places(0, len(x))
    found: list[list[str]] = []
    if not isinstance(categories, str):
        x, found = coded(Cells(str(path), columns, list(x.T), places), categories)
    return Table(columns, x, labels, places, [], found)


class StreamedArrays:
    """What `read_arrays` reads, its x on disk.

    Args:
        path: the file.
        label: the array of the labels; "" for none.
        categories: which columns are, see `coded`.
        place: a folder for x.

    Raises:
        UsageError: as `read_arrays`.
    """

    left_out: Sequence[str] = ()

    def __init__(
        self, path: Path, label: str, categories: str | Sequence[str], place: Path
    ) -> None:
        extract_array(path, "x", place / "x.npy")
        self.path, self._x = path, DiskTensor(place / "x.npy")
        _check_x(self._x.shape, self._x.dtype, path)
        self.n, self.places = len(self._x), range(len(self._x))
        self.columns = _columns(self._x.shape[1])
        x = self._x.array(slice(0, self.n)) if label == "x" else self._x
        arrays = {"x": x, **read_npz(path, without=("x",))}
        named = named_in(Cells(str(path), self.columns, [], []), categories)
        chosen = [self.columns.index(name) for name in named]
        values: list[NDArray[np.float64]] = [np.empty(0) for _ in chosen]
        for part in chunks_of(self.n, CHUNK):
            cells = self._part(part)
            _check_finite(cells, part.start, path)
            values = [np.union1d(v, cells[:, i]) for v, i in zip(values, chosen, strict=True)]
        self._labels = _labels(arrays, label, self.n, path)
        self.categories: list[list[str]] = []
        if not isinstance(categories, str):
            found = {
                i: sorted_names(label_names(v, None)) for i, v in zip(chosen, values, strict=True)
            }
            for i, words in found.items():
                check_named(Cells(str(path), self.columns, [], []), self.columns[i], words)
            self.categories = [found.get(i, []) for i in range(len(self.columns))]

    def write(self, file: Path, where: str) -> Classes | None:
        """Write the cells to `file`, (N, columns) of float64, and return the classes.

        Args:
            file: to write.
            where: the array of the labels, for an error.
        """
        classes = None if self._labels is None else classes_of(self._labels, where)
        with TensorWriter(file, np.float64, (len(self.columns),)) as out:
            for part in chunks_of(self.n, CHUNK):
                x = self._part(part)
                if any(self.categories):
                    places = _places(part.start, len(x))
                    cells = Cells(str(self.path), self.columns, list(x.T), places)
                    x = ids_of(cells, self.categories)
                out.add(x)
        return classes

    def _part(self, rows: slice) -> NDArray[np.float64]:
        return self._x.array(rows).astype(np.float64)


def check_plain(without: Sequence[str], path: Path) -> None:
    """Refuse names of columns for a file that has none."""
    if without:
        raise UsageError(f"data.without names columns of a .csv; {path} has none with names.")


def _columns(n: int) -> list[str]:
    return [f"x{i}" for i in range(n)]


def _places(first: int, n: int) -> list[str]:
    return [f"row {i}" for i in range(first, first + n)]


def _check_x(shape: Sequence[int], dtype: np.dtype[Any], path: Path) -> None:
    if len(shape) != 2 or dtype.kind not in "uifb" or 0 in shape:
        raise UsageError(
            f'{path}: the array "x" must be numbers of the shape (rows, columns), not {dtype} of '
            f"{tuple(shape)}."
        )


def _check_finite(x: NDArray[np.float64], first: int, path: Path) -> None:
    infinite = np.argwhere(np.isinf(x))
    if len(infinite):
        raise UsageError(f'{path}, row {first + infinite[0, 0]} of "x": a value is infinite.')


def _labels(arrays: dict[str, Any], label: str, n: int, path: Path) -> list[Any] | None:
    if not label:
        return None
    given = need_array(arrays, label, path, HINT)
    return one_column(given, n, f"{path}: the array {shown(label)}")
