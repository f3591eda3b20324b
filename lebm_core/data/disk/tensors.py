"""Tensors in files, of which only the rows that are asked for are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from lebm_core.errors import UsageError

__all__ = ["CHUNK", "DiskTensor", "TensorWriter", "chunks_of"]

CHUNK = 8192  # rows that a pass over all of them holds at once


class DiskTensor:
    """A tensor in an .npy file: what is indexed is read, and nothing else stays in memory.

    Args:
        file: as `TensorWriter` writes it.

    Attributes:
        shape: its first axis is that of the rows.
        dtype: NumPy's.

    Raises:
        UsageError: the file is missing or damaged.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with file.open("rb") as opened:
                npy.read_magic(opened)
                self.shape, _, self.dtype = npy.read_array_header_1_0(opened)
                self._offset = opened.tell()
                size = opened.seek(0, 2) - self._offset
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read ({error}): remove its folder.") from None
        if size != int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize:
            raise UsageError(f"{file} is damaged: it is not as long as it says. Remove its folder.")

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, rows: int | Tensor | slice | tuple[Any, ...]) -> Tensor:
        """The row, or those with these numbers of any shape, of a slice or of a mask.

        Of a tuple the first is of rows, and what is read is indexed by the others.
        """
        if isinstance(rows, int):
            return self[torch.tensor([rows])][0]
        if isinstance(rows, tuple):
            first, *others = rows
            read = self[first]
            axes = read.ndim - len(self.shape) + 1  # of the rows
            return read[(slice(None),) * axes + tuple(others)]
        if isinstance(rows, Tensor) and rows.dtype == torch.bool:
            rows = rows.nonzero().squeeze(1)
        return torch.from_numpy(self.array(rows.numpy() if isinstance(rows, Tensor) else rows))

    def array(self, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        """The same as an array."""
        if 0 in self.shape:
            return np.empty(self.shape, self.dtype)[rows]
        if not isinstance(rows, slice) and rows.ndim == 1 and len(self.shape) > 1:
            return self._gathered(rows)
        # The map ends with this call: what it has read is the system's to keep or to forget.
        mapped = np.memmap(self.file, self.dtype, "r", self._offset, self.shape)
        return np.array(mapped[rows])

    def _gathered(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Rows one by one: in a map each would count with the pages around it, 64 kB or more."""
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        width = found[:1].nbytes
        into = found.reshape(-1).view(np.uint8)
        with self.file.open("rb", buffering=0) as opened:
            for k, row in enumerate(rows.tolist()):
                opened.seek(self._offset + row * width)
                if opened.readinto(into[k * width : (k + 1) * width].data) != width:
                    raise IndexError(f"{self.file} has {len(self)} rows, and none of number {row}.")
        return found


class TensorWriter:
    """Writes an .npy file row after row; within a `with` block.

    Args:
        file: to write; it is complete at the end of the block.
        dtype: NumPy's.
        width: the shape of a row; () for numbers.
    """

    def __init__(self, file: Path, dtype: Any, width: Sequence[int] = ()) -> None:
        self.file, self.dtype, self.width = file, np.dtype(dtype), tuple(width)
        self.rows = 0
        self._out: IO[bytes] = file.open("wb")
        self._head()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._out.seek(0)
                self._head()
        finally:
            self._out.close()

    def add(self, rows: Any) -> None:
        """Append rows (n, *width), an array or a list."""
        array = np.ascontiguousarray(rows, self.dtype)
        array = array.reshape(len(array), *self.width)
        array.tofile(self._out)
        self.rows += len(array)

    def _head(self) -> None:
        """Write the header; NumPy leaves room in it for a first axis that grows."""
        told = {
            "descr": npy.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.rows, *self.width),
        }
        npy.write_array_header_1_0(self._out, told)


def chunks_of(n: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices that cover n rows, each of at most `size`."""
    return (slice(first, min(first + size, n)) for first in range(0, n, size))
