"""Read formats that hold many images: arrays, packed files, MNIST's, CIFAR's and SVHN's own."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.data.classes import one_column
from lebm_core.errors import UsageError, shown
from lebm_images.data.ranges import Extent, extent_of, found_range
from lebm_images.data.readers import BYTES, Images, open_image

__all__ = ["check_arrays", "check_ids", "check_shape", "cifar_binary", "idx", "svhn_mat", "unpack"]

Array = np.ndarray[Any, np.dtype[Any]]
CIFAR_RECORD = 3073  # a label and 3 x 32 x 32 bytes


def check_shape(images: Array, where: str, oblong: bool = False) -> Array:
    """Images as numbers (N, H, W, C), H = W unless they may be `oblong`, C 1 or 3.

    Raises:
        UsageError: for another shape or type.
    """
    if images.dtype.kind not in "buif":
        raise UsageError(f"{where} holds {shown(images.dtype)}: accepted are numbers.")
    full = images[..., None] if images.ndim == 3 else images
    fits = full.ndim == 4 and 0 not in full.shape[1:3] and full.shape[3] in (1, 3)
    if not fits or (full.shape[1] != full.shape[2] and not oblong):
        w = "W" if oblong else "H"
        raise UsageError(
            f"{where} has the shape {images.shape}: accepted are (N, H, {w}) and (N, H, {w}, C) "
            "with C = 1 or 3, channels last."
        )
    return full


def check_arrays(arrays: Sequence[Array], where: str) -> list[Images]:
    """Convert the splits of a benchmark to uint8 (N, H, W, C), all by one range.

    Raises:
        UsageError: for another shape or type, no image, or pixels that are not numbers.
    """
    full = [check_shape(images, where) for images in arrays]
    for images in full:
        if not len(images):
            raise UsageError(f"{where} holds no image.")
        bad = ~np.isfinite(images).reshape(len(images), -1).all(1)
        if bad.any():
            raise UsageError(f"{where}: image {int(bad.argmax())} has a pixel that is no number.")
    extents = [extent_of(images) for images in full]
    whole = Extent(min(e.low for e in extents), max(e.high for e in extents))
    are_bytes = all(images.dtype == np.uint8 for images in full)  # which are those published
    pixels = found_range(whole, BYTES if are_bytes else None, where)
    return [pixels.bytes_of(images) for images in full]


def check_ids(ids: Array, n: int, classes: int, where: str) -> Array:
    """The class ids (n,) of the images of a benchmark.

    Raises:
        UsageError: for another number of them, or what is no id of its classes.
    """
    flat = np.asarray(one_column(ids, n, f"{where}, labels,"))
    whole = flat.dtype.kind in "iu" or (flat.dtype.kind == "f" and (flat == np.floor(flat)).all())
    if not whole or (n and not (0 <= flat.min() and flat.max() < classes)):
        raise UsageError(f"{where}: the labels must be whole numbers from 0 to {classes - 1}.")
    return flat


def unpack(packed: dict[str, Array], channels: int, where: str) -> Images:
    """Decode the image files that "blob" holds, the i-th from offsets[i] to offsets[i + 1].

    Raises:
        UsageError: for offsets that are none, an image that is damaged, or images of several sizes.
    """
    blob, offsets = packed["blob"].tobytes(), packed["offsets"]
    if offsets.ndim != 1 or len(offsets) < 2 or offsets.dtype.kind not in "iu":
        raise UsageError(f'{where}, "offsets", must be whole numbers, one more than images.')
    ends = offsets.tolist()
    if ends != sorted(ends) or ends[0] < 0 or ends[-1] > len(blob):
        raise UsageError(f'{where}, "offsets", do not part the {len(blob):,} bytes of "blob".')
    images = [
        open_image(io.BytesIO(blob[a:b]), channels, f"{where}, image {i}")[0]
        for i, (a, b) in enumerate(zip(ends, ends[1:], strict=False))
    ]
    if len({image.shape for image in images}) > 1 or images[0].dtype != np.uint8:
        raise UsageError(f"{where}: the images must have one size, and 8 bits a channel.")
    return np.stack(images)


def idx(path: Path, axes: int) -> Images:
    """Read an array in MNIST's idx format, plain or gzipped.

    Args:
        path: the file.
        axes: of the array: 3 for images, 1 for labels.

    Raises:
        UsageError: for a truncated file, or one of another format.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    start = 4 + 4 * axes
    if len(raw) < start or raw[:4] != bytes([0, 0, 8, axes]):
        raise UsageError(f"{path} is not in MNIST's idx format of bytes, with {axes} axes.")
    shape = np.frombuffer(raw, ">u4", axes, 4).tolist()
    values = np.frombuffer(raw, np.uint8, offset=start)
    if len(values) != math.prod(shape):
        raise UsageError(f"{path} is cut short: {len(values)} bytes of {math.prod(shape)}.")
    return values.reshape(shape)


def cifar_binary(path: Path) -> tuple[Images, np.ndarray[Any, np.dtype[np.uint8]]]:
    """Read images (N, 32, 32, 3) and labels (N,) of one binary batch of CIFAR-10.

    Raises:
        UsageError: for a file that is missing, or not a whole number of records.
    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if len(raw) == 0 or len(raw) % CIFAR_RECORD:
        raise UsageError(
            f"{path} has {len(raw)} bytes, which is not a whole number of CIFAR-10 records."
        )
    records = raw.reshape(-1, CIFAR_RECORD)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), check_ids(records[:, 0], len(records), 10, str(path))


def svhn_mat(path: Path) -> tuple[Images, Array]:
    """Read images (N, 32, 32, 3) and labels (N,) of one of SVHN's .mat files.

    Raises:
        UsageError: for a file that is damaged or lacks one of the arrays.
    """
    from scipy.io import loadmat

    try:
        arrays = loadmat(path)
    except Exception as error:  # of a damaged file, SciPy raises errors of nearly any kind
        reason = str(error) or type(error).__name__
        raise UsageError(f"{path} is not SVHN's .mat file: {shown(reason)}.") from None
    x, y = (np.asarray(arrays.get(name, ())) for name in ("X", "y"))
    if x.ndim != 4 or x.shape[:3] != (32, 32, 3) or x.dtype != np.uint8 or y.dtype.kind not in "iu":
        raise UsageError(
            f"{path} is not SVHN's .mat file, which holds X, uint8 (32, 32, 3, N), and y."
        )
    y = check_ids(y.reshape(-1, 1) % 10, x.shape[3], 10, str(path))  # a nought is labelled 10
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2)), y
