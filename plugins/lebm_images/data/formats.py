"""Read formats that hold many images: .npz, packed files, MNIST's, CIFAR's and SVHN's own."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.errors import UsageError
from lebm_images.data.readers import Images, open_image

__all__ = ["check_array", "cifar_binary", "idx", "npz", "svhn_mat", "unpack"]


def npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of a .npz file by name; nothing is unpickled.

    Raises:
        UsageError: naming the file that is missing, damaged or holds objects.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise UsageError(f'There is no file "{path}".') from None
    except (ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise UsageError(f"{path} is not a .npz file of plain arrays ({error}).") from None


def check_array(images: np.ndarray[Any, Any], where: str) -> Images:
    """Convert images to uint8 (N, H, W, C), from uint8 or from floats in [0, 1].

    Raises:
        UsageError: for another shape or type, sides that differ, NaN, or values outside the range.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or images.shape[1] != images.shape[2]:
        raise UsageError(
            f"{where} has the shape {images.shape}: accepted are (N, H, H) and (N, H, H, C) with "
            "C = 1 or 3."
        )
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise UsageError(f"{where} holds {images.dtype}: accepted are uint8, or floats in [0, 1].")
    bad = ~np.isfinite(images).reshape(len(images), -1).all(1)
    if bad.any():
        raise UsageError(f"{where}: image {int(bad.argmax())} has a pixel that is not a number.")
    if images.min() < 0 or images.max() > 1:
        raise UsageError(
            f"{where} holds floats from {images.min():.3g} to {images.max():.3g}: accepted are "
            "floats in [0, 1], or uint8."
        )
    return np.round(images * 255).astype(np.uint8)


def unpack(packed: dict[str, np.ndarray[Any, Any]], channels: int, where: str) -> Images:
    """Decode the image files that "blob" holds, the i-th from offsets[i] to offsets[i + 1]."""
    blob, offsets = packed["blob"].tobytes(), packed["offsets"].tolist()
    return np.stack(
        [
            open_image(io.BytesIO(blob[a:b]), channels, f"{where}, image {i}")
            for i, (a, b) in enumerate(zip(offsets, offsets[1:], strict=False))
        ]
    )


def idx(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Read an array in MNIST's idx format, plain or gzipped.

    Raises:
        UsageError: for a truncated file, or one of another format.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise UsageError(f"{path} is not in MNIST's idx format of bytes.")
    shape = np.frombuffer(raw, ">i4", raw[3], 4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3])
    if len(values) != shape.prod():
        raise UsageError(f"{path} is cut short: {len(values)} bytes of {int(shape.prod())}.")
    return values.reshape(shape.tolist())


def cifar_binary(path: Path) -> tuple[Images, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Read images (N, 32, 32, 3) and labels (N,) of one binary batch of CIFAR-10.

    Raises:
        UsageError: for a file that is not a whole number of records.
    """
    raw = np.fromfile(path, np.uint8)
    if len(raw) == 0 or len(raw) % 3073:
        raise UsageError(
            f"{path} has {len(raw)} bytes, which is not a whole number of CIFAR-10 records."
        )
    records = raw.reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0]


def svhn_mat(path: Path) -> tuple[Images, np.ndarray[Any, Any]]:
    """Read images (N, 32, 32, 3) and labels (N,) of one of SVHN's .mat files.

    Raises:
        UsageError: for a file that is damaged or lacks one of the arrays.
    """
    from scipy.io import loadmat

    try:
        arrays = loadmat(path)
        x, y = arrays["X"], arrays["y"].ravel() % 10  # a nought is labelled 10
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(f"{path} is not SVHN's .mat file ({error}).") from None
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2)), y
