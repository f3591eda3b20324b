"""Samples as one picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.files import replace_file

__all__ = ["sheet", "to_uint8"]

COLUMNS = 8
LEAST = 48  # pixels to which the side of a small image is enlarged
GAP = 2  # pixels between images


def sheet(images: np.ndarray[Any, np.dtype[np.uint8]], file: Path) -> Path | None:
    """Write images (n, H, W, C) as rows of 8 to a PNG; None without an image."""
    from PIL import Image

    n, height, width, channels = images.shape
    if not n:
        return None
    times = max(1, -(-LEAST // height))
    large = images.repeat(times, 1).repeat(times, 2)
    columns = min(n, COLUMNS)
    down, right = height * times + GAP, width * times + GAP
    rows = -(-n // columns)
    whole = np.full((rows * down - GAP, columns * right - GAP, channels), 255, dtype=np.uint8)
    for i, image in enumerate(large):
        top, left = i // columns * down, i % columns * right
        whole[top : top + height * times, left : left + width * times] = image
    picture = Image.fromarray(whole[..., 0] if channels == 1 else whole)
    replace_file(file, lambda part: picture.save(part, format="PNG"))
    return file


def to_uint8(x: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Scale (B, C, H, W) in [-1, 1] to uint8 (B, H, W, C), rounded and clamped."""
    scaled = x.detach().cpu().add(1).mul(127.5).round().clamp(0, 255)
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).numpy()
