"""How a page shows images, and asks for one: it is drawn, or a file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from lebm_core.data.view import Shown, View
from lebm_images.pictures import to_uint8

__all__ = ["ImageView"]


class ImageView(View):
    """Each image by itself, in the pixels of the model."""

    dataset: Any  # an ImageDataset, which imports this module
    asks = "drawing"
    label: ClassVar[str] = "An image"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

    def source(self, entered: Any) -> Any:
        """Scale an image file of any size, whose white is 255, to the pixels of the training.

        Files of more than 8 bits are left to what `ImageDataset.new` makes of them.

        Raises:
            UsageError: for what is no image, or too large a one.
        """
        from lebm_images.data.readers import fitted, open_image

        side, channels = self.dataset.sizes["side"], self.dataset.sizes["channels"]
        image, _ = open_image(Path(entered), channels)
        if image.dtype != np.uint8:
            return entered
        return self.dataset.origin.range.values_of(fitted(image, side))[None]

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Show images (n, C, H, W) in [-1, 1]."""
        from PIL import Image

        pictures = []
        for image in to_uint8(x):
            file = io.BytesIO()
            grey = image.shape[-1] == 1
            Image.fromarray(image[..., 0] if grey else image).save(file, format="PNG")
            pictures.append((file.getvalue(), ""))
        return Shown(pictures, pixelated=self.dataset.sizes["side"] < 64)
