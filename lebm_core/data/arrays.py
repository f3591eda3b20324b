"""Arrays of an .npz file, read without unpickling and without trusting its headers."""

from __future__ import annotations

import math
import os
import shutil
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from lebm_core.errors import UsageError, did_you_mean, shown

__all__ = ["extract_array", "need_array", "read_npz"]

DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    OverflowError,
    RecursionError,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
)  # fmt: skip - what NumPy and zipfile raise for damaged files


def read_npz(
    path: str | os.PathLike[str], without: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name.

    Args:
        path: the file.
        without: names of arrays to leave there.

    Raises:
        UsageError: naming the file that is missing, damaged, no .npz file, or that holds objects,
            or an array whose header and content differ in size.
    """
    with _opened(Path(path)) as archive:
        return {
            name: _array(archive, f"{name}.npy", Path(path))
            for name in _names(archive, Path(path))
            if name not in without
        }


def extract_array(path: Path, name: str, file: Path) -> None:
    """Copy an array of an .npz file to an .npy file, a part of it at a time.

    Args:
        path: the .npz file.
        name: of the array.
        file: to write.

    Raises:
        UsageError: as `read_npz` and `need_array`; the array is stored column by column.
    """
    with _opened(path) as archive:
        need_array(dict.fromkeys(_names(archive, path)), name, path)
        order, shape, dtype = _checked(archive, f"{name}.npy", path)
        if order and len(shape) > 1:
            raise UsageError(
                f'{path}, "{name}", is stored column by column: save numpy.ascontiguousarray(x).'
            )
        told = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        with archive.open(f"{name}.npy") as source, file.open("wb") as out:
            _header(source, str(path))
            npy.write_array_header_1_0(out, told)
            shutil.copyfileobj(source, out, 1 << 20)


def _names(archive: zipfile.ZipFile, path: Path) -> list[str]:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if not names:
        raise UsageError(f"{path} holds no array: numpy.savez writes such a file.")
    return [name.removesuffix(".npy") for name in names]


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; within the scope whatever is wrong with it is one message."""
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise UsageError(
                    f"{path} holds a single array as an .npy file does: save it by "
                    "numpy.savez(file, x=array)."
                )
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.glob("*.npz")])
        raise UsageError(f"There is no file {shown(path)}.{near}") from None
    except zipfile.BadZipFile:
        raise UsageError(f"{path} is no .npz file, or is damaged.") from None
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"{path} cannot be read as an .npz file: {reason}.") from None


def need_array(arrays: Mapping[str, Any], name: str, path: Path, hint: str = "") -> Any:
    """The array of that name.

    Raises:
        UsageError: naming those that there are, where it is not among them.
    """
    if name not in arrays:
        held = ", ".join(map(str, arrays)) or "nothing"
        raise UsageError(
            f'{path} has no array "{name}": it holds {held}.{did_you_mean(name, arrays)}{hint}'
        )
    return arrays[name]


def _array(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    """One array, once its header is known to say what its content is."""
    _checked(archive, name, path)
    with archive.open(name) as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def _checked(
    archive: zipfile.ZipFile, name: str, path: Path
) -> tuple[bool, tuple[int, ...], np.dtype[Any]]:
    """Whether an array is stored column by column, its shape and its type, as its header says."""
    where = f'{path}, "{name.removesuffix(".npy")}",'
    size = archive.getinfo(name).file_size
    with archive.open(name) as file:
        order, shape, dtype = _header(file, where)
        wanted = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise UsageError(f"{where} holds Python objects: save plain numbers or strings.")
        if wanted != size - file.tell():
            raise UsageError(
                f"{where} is damaged: its header tells of {wanted:,} bytes, and there are "
                f"{size - file.tell():,}."
            )
    return order, shape, dtype


def _header(file: IO[bytes], where: str) -> tuple[bool, tuple[int, ...], np.dtype[Any]]:
    try:
        major, _ = npy.read_magic(file)
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, order, dtype = read(file)
    except DAMAGE:
        raise UsageError(f"{where} is damaged: it does not begin as an array does.") from None
    return order, shape, dtype
