"""Read image files: one by one, or lazily below a folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.errors import MissingExtra, UsageError

__all__ = ["FilePixels", "Images", "as_pixels", "fitted", "form", "image_files", "open_image"]

Images = np.ndarray[Any, np.dtype[np.uint8]]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def open_image(file: Path | io.BytesIO, channels: int, where: str = "") -> Images:
    """Read one image as uint8 (H, W, channels): grey and colour converted, alpha dropped.

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
    """Convert a Pillow image to uint8 (H, W, channels), see `open_image`."""
    if not hasattr(image, "convert"):
        raise UsageError(f"{name} is not an image.")
    if image.mode.startswith("I") or image.mode == "F":
        raise UsageError(
            f"{name} has more than 8 bits a channel (mode {image.mode}): convert it to 8, "
            "since the range of its values is not known."
        )
    plain = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return plain[..., None] if plain.ndim == 2 else plain


def form(file: Path) -> tuple[tuple[int, int], bool]:
    """Read width and height of an image file, and whether it is grey, from its header."""
    from PIL import Image

    with Image.open(file) as image:
        return image.size, image.mode in ("1", "L", "LA")


def image_files(folder: Path) -> list[Path]:
    """List the image files below a folder, sorted by path.

    Raises:
        UsageError: where the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise UsageError(f'There is no folder "{folder}".')
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise UsageError(f"{folder} holds no image: accepted are {', '.join(SUFFIXES)}.")
    return files


class FilePixels:
    """Images on disk, read batch by batch: the data may exceed the memory.

    Args:
        files: the image files.
        channels: 1 or 3.
        side: to which the centre square of each is scaled.
    """

    def __init__(self, files: Sequence[Path], channels: int, side: int) -> None:
        self.files, self.channels, self.side = list(files), channels, side

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Sequence[int]) -> Images:
        return np.stack([self.one(self.files[i]) for i in rows])

    def one(self, file: Path) -> Images:
        """Read one file as uint8 (side, side, channels)."""
        return fitted(open_image(file, self.channels), self.side)


def fitted(image: Images, side: int) -> Images:
    """Scale the centre square of an image (H, W, C) to `side`, by Lanczos resampling."""
    height, width = image.shape[:2]
    if height == width == side:
        return image
    from PIL import Image

    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    square = image[top : top + size, left : left + size]
    grey = square.shape[2] == 1
    scaled = Image.fromarray(square[..., 0] if grey else square).resize(
        (side, side), Image.Resampling.LANCZOS
    )
    pixels = np.asarray(scaled)
    return pixels[..., None] if grey else pixels
