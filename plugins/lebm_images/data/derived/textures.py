"""Textures: crops of one large picture, of those that scikit-image carries or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lebm_core.base.checks import WIDEST, whole
from lebm_core.data.files import own_path
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import MissingExtra, UsageError, did_you_mean, shown
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels

__all__ = ["textures"]

CROPS = SplitCounts(train=2000, valid=200, test=500)  # of each picture
CARRIED = ("brick", "grass", "gravel")  # grey, 512 x 512, within scikit-image's package
SHARES = {"train": (0.0, 0.5), "valid": (0.5, 0.75), "test": (0.75, 1.0)}  # of the width

Image = np.ndarray[Any, np.dtype[np.uint8]]


def textures(
    *,
    files: Any,
    seed: int,
    texture: str = "",
    side: int = 32,
    smaller: int = 4,
    options: SplitCounts = CROPS,
) -> ImageDataset:
    """Grey crops of textures; the three splits are of different parts of the picture.

    The left half is to learn from, the next quarter to choose by, the last to judge by. Each
    picture is stretched so that its darkest and brightest hundredth are black and white.

    Args:
        files: not used.
        seed: of the places of the crops.
        texture: brick, grass or gravel, or the path of an image; empty for these three, as classes
        side: of a crop
        smaller: by how much the picture is scaled down first

    Raises:
        UsageError: for a texture that is neither, or too small a picture.
    """
    counts = options.sizes
    whole("data.side", side, 1, WIDEST)
    whole("data.smaller", smaller, 1, WIDEST)
    names = CARRIED if not texture else (texture,)
    pictures = {name: _shrunk(name, _picture(name), smaller) for name in names}
    rng = np.random.default_rng(seed)
    pixels: dict[str, Pixels] = {}
    labels = {}
    for split, n in counts.items():
        drawn = [_crops(name, pictures[name], split, n, side, rng) for name in names]
        pixels[split] = ArrayPixels(np.concatenate(drawn)[..., None])
        labels[split] = torch.arange(len(names)).repeat_interleave(n)
    summary: Mapping[str, Any] = {
        "source": f"crops of {', '.join(Path(name).name for name in names)}, scikit-image's unless "
        "a file", "picture": f"1/{smaller} of its size",
        "counts": {split: n * len(names) for split, n in counts.items()},
    }  # fmt: skip
    if len(names) == 1:
        return ImageDataset(pixels, 1, side, dict(summary))
    return ImageDataset(pixels, 1, side, dict(summary), labels, names)


def _picture(name: str) -> Image:
    """The whole picture, grey, uint8 (H, W)."""
    if name in CARRIED:
        try:
            from skimage import data
        except ImportError as error:
            raise MissingExtra("skimage", "images", needed_by="images.textures") from error
        found: Image = getattr(data, name)()
        return found
    path = own_path(name)
    if len(name) > 4096 or not path.is_file():
        raise UsageError(
            f"data.texture = {shown(name)} is neither a file nor one of {', '.join(CARRIED)}."
            f"{did_you_mean(name, CARRIED)}"
        )
    from PIL import Image as Pictures
    from PIL import UnidentifiedImageError

    try:
        with Pictures.open(path) as image:
            deep = image.mode in ("I", "F") or image.mode.startswith("I;")  # "L" would cut them off
            return np.asarray(image if deep else image.convert("L"))
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        Pictures.DecompressionBombError,
    ) as error:
        raise UsageError(f"data.texture = {shown(name)} is no image that can be read.") from error


def _shrunk(name: str, picture: Image, by: int) -> Image:
    """The picture with each block of by x by pixels as their mean, stretched to black and white."""
    height, width = (n // by * by for n in picture.shape)
    blocks = picture[:height, :width].reshape(height // by, by, width // by, by)
    small = blocks.mean((1, 3))
    low, high = np.nanpercentile(small, [1, 99]) if small.size else (0.0, 1.0)
    if not high > low:
        raise UsageError(f"The picture {shown(name)} is of one grey value: there is no texture.")
    found: Image = ((small - low) / (high - low) * 255).clip(0, 255).round().astype(np.uint8)
    return found


def _crops(
    name: str, picture: Image, split: str, n: int, side: int, rng: np.random.Generator
) -> Image:
    """n crops (n, side, side) of the part of the picture that is the split's."""
    height, width = picture.shape
    left, right = (int(share * width) for share in SHARES[split])
    if height < side or right - left < side:
        raise UsageError(
            f"The picture {shown(name)} is {height} x {width} once it is scaled down, and the part "
            f"for {split} {height} x {right - left}: no crop of data.side = {side} is in it. Use a "
            "smaller side, or a smaller data.smaller."
        )
    top = rng.integers(0, height - side + 1, n)
    start = rng.integers(left, right - side + 1, n)
    return np.stack([picture[a : a + side, b : b + side] for a, b in zip(top, start, strict=True)])
