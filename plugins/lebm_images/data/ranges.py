"""The range of pixels, which value is black and which is white: one rule for all that is read.

Arrays, image files and an estimator's X go by it.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from lebm_core.errors import UsageError

__all__ = [
    "Box",
    "Extent",
    "Origin",
    "Range",
    "asked_range",
    "extent_of",
    "found_range",
    "range_of",
]

USUAL = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
ROUNDING = 1e-3  # of the width: so far may a pixel lie outside a range that is known
FRACTIONS = 2.0  # white from which on pixels between 0 and 1 are in other units

Array = np.ndarray[Any, np.dtype[Any]]
Images = np.ndarray[Any, np.dtype[np.uint8]]
Box = tuple[int, int, int, int]  # left, top, right, bottom


class Extent(NamedTuple):
    """The smallest and the largest pixel of images."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"from {self.low:.4g} to {self.high:.4g}"


class Range(NamedTuple):
    """The range of pixels.

    Attributes:
        low, high: the values of black and of white.
        own: they are the smallest and the largest pixel of the images that were read.
    """

    low: float
    high: float
    own: bool = False

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g}"

    def bytes_of(self, images: Array) -> Images:
        """Scale images of any numbers to uint8, black to 0 and white to 255."""
        if images.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return images
        exact = images.dtype in (np.float32, np.float64) or images.dtype.itemsize > 2
        wide = images if exact else images.astype(np.float32)
        scaled = np.round((wide - self.low) * (255 / (self.high - self.low)))
        return np.clip(scaled, 0, 255).astype(np.uint8)

    def values_of(self, images: Images) -> Array:
        """Scale uint8 back: bytes where those are the range, else float32 from low to high."""
        if (self.low, self.high) == (0, 255):
            return images
        width = (self.high - self.low) / 255
        return (images.astype(np.float64) * width + self.low).astype(np.float32)

    def misfit(self, images: Array) -> str:
        """Say why images are not in this range, such as "pixels from 0 to 300"; "" where they are.

        Of a range that is the data's own, as much again on either side is let pass: it was found
        in examples.
        """
        extent = extent_of(images)
        room = (1.0 if self.own else ROUNDING) * (self.high - self.low)
        if extent.low < self.low - room or extent.high > self.high + room:
            return f"pixels {extent}"
        units = self.low >= 0 and self.high > FRACTIONS and 0 <= extent.low and extent.high <= 1
        if units and bool((images != np.floor(images)).any()):
            return f"fractions {extent}"
        return ""


class Origin(NamedTuple):
    """What images were before they were scaled: further ones are prepared alike.

    Attributes:
        range: of the pixels.
        box: left, top, right and bottom of the part that is used; None for the centre square.
        flat: the source was an array without an axis of channels.
        as_bytes: files of samples hold uint8 (N, H, W, C) whatever the range, as those of
            benchmarks do.
    """

    range: Range = Range(0.0, 255.0)
    box: Box | None = None
    flat: bool = False
    as_bytes: bool = False


def extent_of(images: Array) -> Extent:
    """The smallest and the largest pixel of images, one at least."""
    return Extent(float(images.min()), float(images.max()))


def range_of(extent: Extent) -> Range | None:
    """The range of images whose pixels have this extent; None where it is not clear.

    That is the narrowest of 0 to 1, -1 to 1 and 0 to 255 that holds them. Where they fill less
    than half of it, such as levels from 0 to 16, the extent itself is the range.

    >>> range_of(Extent(0, 0.9)), range_of(Extent(0, 16))
    (Range(low=0.0, high=1.0, own=False), Range(low=0, high=16, own=True))
    >>> range_of(Extent(0, 4095)) is None
    True
    """
    for low, high in USUAL:
        if low <= extent.low and extent.high <= high:
            filled = extent.high > high / 2 or extent.low < low / 2
            return Range(low, high) if filled else Range(*extent, own=True)
    return None


def asked_range(low: float | None, high: float | None, key: str = "data.") -> Range | None:
    """The range that options give; None where they give none.

    Args:
        low: the value of black; None for 0 where `high` is given.
        high: the value of white.
        key: what stands before "low" and "high" in the name of the options.

    Raises:
        UsageError: for one that is no range.
    """
    if low is None and high is None:
        return None
    black = 0.0 if low is None else low
    if high is None or not (math.isfinite(black) and math.isfinite(high) and black < high):
        raise UsageError(
            f"{key}low = {low} and {key}high = {high} are no range of pixels: high must be a "
            "number above low."
        )
    return Range(float(black), float(high))


def found_range(extent: Extent, asked: Range | None, where: str) -> Range:
    """The range that is asked for, or that of images with this extent.

    Warns where it is the images' own.

    Raises:
        UsageError: where all pixels are equal, lie outside of what is asked for, or where their
            range is not clear.
    """
    if not extent.high > extent.low:
        raise UsageError(f"{where}: every pixel is {extent.low:.4g}: there is nothing to learn.")
    if asked is not None:
        reason = asked.misfit(np.array(extent))
        if reason:
            raise UsageError(f"{where} has {reason}, where data.low to data.high is {asked}.")
        return asked
    found = range_of(extent)
    if found is None:
        raise UsageError(
            f"{where} has pixels {extent}, of which the range is not clear: set data.low and "
            "data.high to the values of black and white, or scale them to 0..1 or 0..255."
        )
    if found.own:
        warnings.warn(
            f"{where}: the pixels run {extent}, which are taken for black and white; data.low and "
            "data.high set others.",
            stacklevel=4,
        )
    return found
