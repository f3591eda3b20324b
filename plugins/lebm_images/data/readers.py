"""Read image files: one by one, or lazily below a folder."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_images.data.ranges import Box, Extent, Range, extent_of

__all__ = [
    "BYTES", "FilePixels", "Form", "Found", "Images", "as_pixels", "fitted", "fitted_array",
    "image_files", "look", "open_image", "warn_about",
]  # fmt: skip

Images = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[Any]]

BYTES = Range(0.0, 255.0)
SHOWN = 5  # names that a warning gives one by one
SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm",
)  # fmt: skip
SYSTEM = ("__macosx", "@eadir", "$recycle.bin")  # folders that systems leave behind, as .NAME is
ORIENTATION = 0x0112  # the tag of EXIF


class Form(NamedTuple):
    """What an image is before it is converted."""

    size: tuple[int, int]  # width and height, upright
    grey: bool
    tinted: bool  # some pixel is of another colour than grey, where colours were asked for
    several: bool  # frames, of which the first one is read


class Found(NamedTuple):
    """The files below a folder, each list sorted by path."""

    images: list[Path]
    hidden: list[Path]  # images in a hidden place, or hidden themselves
    others: list[Path]  # of kinds that are not read


def open_image(file: Path | io.BytesIO, channels: int, where: str = "") -> tuple[Numbers, Form]:
    """Read one image as numbers (H, W, channels), see `as_pixels`, and what it was.

    Raises:
        UsageError: naming the file that is damaged, no image, or beyond Pillow's limit of size.
        MissingExtra: where Pillow is not installed.
    """
    name = where or str(file)
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("pillow", "images", "reading image files") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                pixels = as_pixels(image, channels, name)
                size = pixels.shape[1], pixels.shape[0]
                several = bool(getattr(image, "is_animated", False))
                tinted = bool((pixels != pixels[..., :1]).any())
                return pixels, Form(size, image.mode in ("1", "L", "LA"), tinted, several)
    except UsageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UsageError(f"{name} is larger than the limit of {_limit():,} pixels.") from None
    except UnidentifiedImageError:
        raise UsageError(f"{name} is not an image that can be read.") from None
    except Exception as error:  # a damaged file makes Pillow raise errors of nearly any kind
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UsageError(f"{name} cannot be read: {shown(reason)}.") from None


def look(file: Path, channels: int, asked: Range | None, box: Box | None) -> tuple[Form, Extent]:
    """Read one file, and refuse it where the data set cannot use it."""
    image, form = open_image(file, channels)
    deep = image.dtype != np.uint8
    if deep and asked is None:
        raise UsageError(
            f"{file} has more than 8 bits a channel ({image.dtype}): convert it to 8, or set "
            "data.high to the value of white, such as 65535."
        )
    if not deep and asked is not None and asked.high > BYTES.high:
        raise UsageError(f"{file} has 8 bits a channel, where data.high is {asked.high:g}.")
    if deep and not np.isfinite(image).all():
        raise UsageError(f"{file} has a pixel that is not a number.")
    extent = extent_of(image)
    reason = asked.misfit(image) if asked is not None else ""
    if reason:
        raise UsageError(f"{file} has {reason}, where data.low to data.high is {asked}.")
    if box is not None and (form.size[0] < box[2] or form.size[1] < box[3]):
        raise UsageError(f"{file} is smaller than the box {box} to be cropped.")
    return form, extent


def as_pixels(image: Any, channels: int, name: str) -> Numbers:
    """Convert a Pillow image to numbers (H, W, channels): upright, grey or colour, no alpha.

    They are uint8, but for images of more than 8 bits a channel.
    """
    if not hasattr(image, "convert"):
        raise UsageError(f"{name} is not an image.")
    if 0 in image.size:
        raise UsageError(f"{name} has no pixel.")
    if _is_turned(image):
        from PIL import ImageOps

        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return np.repeat(np.asarray(image)[..., None], channels, axis=2)
    plain = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return plain[..., None] if plain.ndim == 2 else plain


def image_files(folder: Path) -> Found:
    """The files below a folder.

    Raises:
        UsageError: where the folder is missing or holds no image.
    """
    if not os.path.isdir(folder):  # of a path that is too long, Path.is_dir raises
        raise UsageError(f"There is no folder {shown(folder, 300)}.")
    images, hidden, others = list[Path](), list[Path](), list[Path]()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        is_image = file.suffix.lower() in SUFFIXES
        if any(_is_hidden(part) for part in file.relative_to(folder).parts):
            hidden += [file] if is_image else []
        else:
            (images if is_image else others).append(file)
    if not images:
        raise UsageError(f"{folder} holds no image: accepted are {', '.join(SUFFIXES)}.")
    return Found(images, hidden, others)


class FilePixels:
    """Images on disk, read batch by batch: the data may exceed the memory.

    Args:
        files: the image files.
        channels: 1 or 3.
        side: to which the centre square of each, or the box, is scaled.
        box: left, top, right and bottom of the part that is used; None for the centre square.
        pixels: the range of their pixels.
    """

    def __init__(
        self,
        files: Sequence[Path],
        channels: int,
        side: int,
        box: Box | None = None,
        pixels: Range = BYTES,
    ) -> None:
        self.files, self.channels, self.side = list(files), channels, side
        self.box, self.range = box, pixels

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Sequence[int]) -> Images:
        return np.stack([self.one(self.files[i]) for i in rows])

    def one(self, file: Path) -> Images:
        """Read one file as uint8 (side, side, channels)."""
        image = self.range.bytes_of(open_image(file, self.channels)[0])
        if self.box is not None:
            left, top, right, bottom = self.box
            if image.shape[0] < bottom or image.shape[1] < right:
                raise UsageError(f"{file} is smaller than the box {self.box} to be cropped.")
            image = image[top:bottom, left:right]
        return fitted(image, self.side)


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


def fitted_array(images: Images, channels: int, side: int) -> Images:
    """Make images (n, H, W, C) grey or colour, and scale the centre square of each."""
    if channels == 1 and images.shape[3] == 3:
        from PIL import Image

        images = np.stack([np.asarray(Image.fromarray(x).convert("L")) for x in images])[..., None]
    elif images.shape[3] != channels:
        images = np.repeat(images, channels, axis=3)
    if images.shape[1:3] == (side, side):
        return images
    return np.stack([fitted(image, side) for image in images])


def warn_about(names: Sequence[str], text: str) -> None:
    """Warn once, naming the first few of `names`; {n} in the text is their number."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        few = "; ".join(names[:SHOWN])
        warnings.warn(text.replace("{n}", f"{len(names):,}") + few + more + ".", stacklevel=4)


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part.lower() in SYSTEM


def _is_turned(image: Any) -> bool:
    """Whether EXIF says so; nothing is known from EXIF that is damaged."""
    image.load()  # errors of the image itself
    try:
        return bool(image.getexif().get(ORIENTATION, 1) != 1)
    except Exception:  # Pillow raises errors of nearly any kind
        return False


def _limit() -> int:
    from PIL import Image

    return int(Image.MAX_IMAGE_PIXELS or 0)
