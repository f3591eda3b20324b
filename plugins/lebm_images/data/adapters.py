"""Adapter between arrays of images and the decoder's x."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.adapters import InputAdapter
from lebm_images.data.ranges import Range, asked_range, extent_of, range_of

__all__ = ["ImageAdapter"]

CHANNELS = (1, 3)


class ImageAdapter(InputAdapter):
    """Square images (n, H, W) or (n, H, W, C), C 1 or 3.

    The range of pixels is that of `range_of`, and otherwise from the smallest to the largest value
    of the training images; images that do not fit it are refused later.

    Args:
        low: the value of black; None to tell it from the training images.
        high: the value of white; None to tell it from the training images.
    """

    decoder = "images.deconv"
    encoder = "images.conv"

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self.asked = asked_range(low, high, key="")

    def fit(self, X: Any) -> Self:  # noqa: N803
        images = self._images(X)
        extent = extent_of(images)
        if not extent.high > extent.low:
            raise ValueError(f"Every pixel of X is {extent.low:g}: there is nothing to learn.")
        self.range = self.asked or range_of(extent) or Range(*extent, own=True)
        self.shape, self.flat = images.shape[1:], np.asarray(X).ndim == 3
        self.sizes = {"channels": images.shape[3], "side": images.shape[1]}
        return self

    def transform(self, X: Any) -> Tensor:  # noqa: N803
        images = self._images(X)
        if images.shape[1:] != self.shape:
            raise ValueError(
                f"X has images of shape {images.shape[1:]}; the training images have {self.shape}."
            )
        reason = self.range.misfit(images)
        if reason:
            raise ValueError(
                f"X has {reason}; the model is of pixels from {self.range}: scale them alike."
            )
        low, high = self.range.low, self.range.high
        unit = (images.astype(np.float32) - low) * (2 / (high - low)) - 1
        return torch.from_numpy(np.ascontiguousarray(unit.transpose(0, 3, 1, 2)))

    def inverse_transform(self, x: Tensor) -> Any:
        low, high = self.range.low, self.range.high
        images = (x.numpy().transpose(0, 2, 3, 1) + 1) * ((high - low) / 2) + low
        return images[..., 0] if self.flat else images

    @staticmethod
    def _images(X: Any) -> np.ndarray[Any, np.dtype[Any]]:  # noqa: N803
        """Return X as (n, H, W, C)."""
        try:
            images = np.asarray(X)
        except ValueError:
            raise ValueError(
                "X has images of different sizes: scale them to one size first."
            ) from None
        if images.ndim == 3:
            images = images[..., None]
        square = images.ndim == 4 and images.shape[1] == images.shape[2]
        if not square or images.shape[3] not in CHANNELS:
            raise ValueError(
                "Images are needed as (n, H, W) or (n, H, W, C), square, C 1 or 3; X has the shape "
                f"{np.shape(X)}."
            )
        if not len(images):
            raise ValueError("X has no image.")
        if images.dtype.kind not in "buif":
            raise ValueError(f"Images are needed as numbers, not {images.dtype}.")
        if not np.isfinite(images).all():
            raise ValueError("Input X contains NaN or infinity.")
        return images
