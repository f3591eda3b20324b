"""Reading images with care: files, folders, .npz, packed JPEG or WebP, MNIST's and CIFAR's own."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.errors import MissingExtra, UsageError

__all__ = [
    "FilePixels",
    "as_pixels",
    "check_array",
    "cifar_binary",
    "fitted",
    "form",
    "idx",
    "image_files",
    "npz",
    "open_image",
    "unpack",
]

Images = np.ndarray[Any, np.dtype[np.uint8]]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def open_image(file: Path | io.BytesIO, channels: int, where: str = "") -> Images:
    """One image as uint8 (H, W, channels): grey made colour or colour grey, alpha dropped.

    Raises:
        UsageError: naming the file that is no image, or has 16 bits a channel.
        MissingExtra: where Pillow is not installed.
    """
    name = where or str(file)
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("pillow", "images", "reading image files") from error
    try:
        with Image.open(file) as image:
            return as_pixels(image, channels, name)
    except UnidentifiedImageError:
        raise UsageError(f"{name} is not an image that can be read.") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error}.") from None


def as_pixels(image: Any, channels: int, name: str) -> Images:
    """A Pillow image as uint8 (H, W, channels), see `open_image`."""
    if not hasattr(image, "convert"):
        raise UsageError(f"{name} is not an image.")
    if image.mode.startswith("I") or image.mode == "F":
        raise UsageError(
            f"{name} has more than 8 bits a channel (mode {image.mode}): convert it to 8 bits, for "
            "how to scale it is not ours to guess."
        )
    plain = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return plain[..., None] if plain.ndim == 2 else plain


def form(file: Path) -> tuple[tuple[int, int], bool]:
    """Width and height of an image file, and whether it is grey, from its head alone."""
    from PIL import Image

    with Image.open(file) as image:
        return image.size, image.mode in ("1", "L", "LA")


def image_files(folder: Path) -> list[Path]:
    """The image files below a folder, sorted by path.

    Raises:
        UsageError: where the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UsageError(f'There is no folder "{folder}".')
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise UsageError(f"{folder} holds no image: accepted are {', '.join(SUFFIXES)}.")
    return found


class FilePixels:
    """Images on disk, read when a batch asks for them: the data may exceed the memory.

    Args:
        files: the image files.
        channels: 1 or 3.
        side: to which each is scaled, after its centre square is cut out.
    """

    def __init__(self, files: Sequence[Path], channels: int, side: int) -> None:
        self.files, self.channels, self.side = list(files), channels, side

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Sequence[int]) -> Images:
        return np.stack([self.one(self.files[i]) for i in rows])

    def one(self, file: Path) -> Images:
        """One file's image, uint8 (side, side, channels)."""
        return fitted(open_image(file, self.channels), self.side)


def fitted(image: Images, side: int) -> Images:
    """The centre square of an image (H, W, C), scaled to `side` by an area-exact filter."""
    height, width = image.shape[:2]
    if height == width == side:
        return image
    from PIL import Image

    least = min(height, width)
    top, left = (height - least) // 2, (width - least) // 2
    square = image[top : top + least, left : left + least]
    grey = square.shape[2] == 1
    scaled = Image.fromarray(square[..., 0] if grey else square).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    found = np.asarray(scaled)
    return found[..., None] if grey else found


def npz(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a .npz file by name; nothing is unpickled.

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
    """Images as uint8 (N, H, W, C), from uint8 or from floats in [0, 1].

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
    """Image files one after another in "blob", the i-th from offsets[i] to offsets[i + 1]."""
    blob, offsets = packed["blob"].tobytes(), packed["offsets"].tolist()
    return np.stack(
        [
            open_image(io.BytesIO(blob[a:b]), channels, f"{where}, image {i}")
            for i, (a, b) in enumerate(zip(offsets, offsets[1:], strict=False))
        ]
    )


def idx(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """An array in MNIST's own format, plain or gzipped.

    Raises:
        UsageError: where the file is not whole or not of that format.
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
    """Images (N, 32, 32, 3) and labels (N,) of one original binary batch of CIFAR-10.

    Raises:
        UsageError: where the file is no whole number of records.
    """
    raw = np.fromfile(path, np.uint8)
    if len(raw) == 0 or len(raw) % 3073:
        raise UsageError(f"{path} has {len(raw)} bytes, no whole number of CIFAR-10 records.")
    records = raw.reshape(-1, 3073)
    images = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), records[:, 0]
