"""Images as a `lebm_core` data set: uint8 until the batch, then (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.files import read_json
from lebm_core.base.table import Table
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_images.data.new import new_images
from lebm_images.data.ranges import Origin, Range
from lebm_images.data.readers import FilePixels
from lebm_images.pictures import sheet, to_uint8
from lebm_images.view import ImageView

__all__ = ["ArrayPixels", "ImageDataset", "Pixels", "properties_of", "to_uint8", "to_unit"]

FILE = "images.json"
PICTURED = 64  # samples in a grid
MIN_INK = 1e-3  # share of the image, below which slant and stroke width are not defined


class Pixels(Protocol):
    """The images of a split, in memory or on disk."""

    def __len__(self) -> int: ...

    def take(self, rows: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the images with these row numbers, uint8 (n, H, W, C)."""


class ArrayPixels:
    """Images in memory.

    Args:
        images: uint8 (N, H, W, C).
    """

    def __init__(self, images: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Sequence[int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return self.images[np.asarray(rows, dtype=np.int64)]


class ImageDataset(Dataset):
    """Images of one size.

    Args:
        pixels: the images of each split.
        channels: C.
        side: H = W.
        summary: facts for the report.
        labels: (N,) class ids of each split, where there are any.
        classes: names of the classes.
        origin: what the images were before they were scaled.
    """

    known: Table | None  # what tells apart the images that `new` has read
    suffix: ClassVar[str] = ".npz"
    figures: ClassVar[str] = "images.model"
    # Published grids and distances use the mean of p(x | z): sigma is not noise of the images.
    sample_options: ClassVar[dict[str, Any]] = {"noise": False}

    def __init__(
        self,
        pixels: dict[str, Pixels],
        channels: int,
        side: int,
        summary: dict[str, Any],
        labels: dict[str, Tensor] | None = None,
        classes: Sequence[str] = (),
        origin: Origin = Origin(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self.origin, self.known = origin, None
        self.pixels, self.labels, self.classes = pixels, labels or {}, list(classes)
        for split, y in self.labels.items():
            if len(y) != len(pixels[split]):
                raise UsageError(
                    f"The split {split} has {len(pixels[split])} images but {len(y)} labels."
                )
        self.sizes = {"channels": channels, "side": side}
        if self.classes:
            self.sizes["n_classes"] = len(self.classes)
        self.summary = summary

    def length(self, split: str) -> int:
        """Return the number of images of `split`."""
        if split not in SPLITS:
            raise UsageError(f'There is no split "{split}": accepted are {", ".join(SPLITS)}.')
        return len(self.pixels[split]) if split in self.pixels else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        """Return the images with these row numbers, x (B, C, H, W) in [-1, 1]."""
        x = to_unit(torch.from_numpy(self.pixels[split].take(index.tolist())))
        y = self.labels.get(split)
        return Batch(x, None if y is None else y[index], rows=index)

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        """Measure brightness, and of grey images slant and stroke width; see `properties_of`."""
        return properties_of(self.batch(split, index).x)

    def new(self, source: Any) -> Self:
        """Read images and prepare them as those of the training were, see `new_images`."""
        channels, side = self.sizes["channels"], self.sizes["side"]
        found = new_images(source, channels, side, self.origin, self.classes)
        held = found.pixels if isinstance(found.pixels, FilePixels) else ArrayPixels(found.pixels)
        labels = None if found.y is None else {"test": torch.from_numpy(found.y)}
        read = type(self)({"test": held}, channels, side, {}, labels, self.classes, self.origin)
        read.known = found.records
        return read

    def records(self, split: str) -> Table:
        """Return the files, or the numbers, and the classes of what `new` has read."""
        return super().records(split) if self.known is None else self.known

    def raw(self, x: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
        """Return samples (N, H, W, C), or (N, H, W) of such arrays, in the pixels of the source.

        They are uint8 where those are bytes, else float32.
        """
        images = self.origin.range.values_of(to_uint8(x))
        return images[..., 0] if self.origin.flat else images

    def write(self, x: Tensor, path: Path) -> Path:
        """Write what `raw` gives, of a benchmark uint8, to `path` with the suffix .npz, key "x"."""
        file = path.with_name(path.name + self.suffix)
        np.savez_compressed(file, x=to_uint8(x) if self.origin.as_bytes else self.raw(x))
        return file

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Write the first 64 samples as a grid to `path` with the suffix .png."""
        return sheet(to_uint8(x[:PICTURED]), path.with_name(path.name + ".png"))

    def view(self) -> ImageView:
        """Show each image by itself, and take one that is drawn or a file."""
        return ImageView(self)

    def save(self, folder: Path) -> None:
        """Write sizes, classes, the summary and the origin to images.json."""
        saved = {
            "sizes": self.sizes, "classes": self.classes, "summary": self.summary,
            "range": self.origin.range, "box": self.origin.box, "flat": self.origin.flat,
            "as_bytes": self.origin.as_bytes,
        }  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(saved) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        saved = read_json(folder / FILE)
        try:
            sizes, summary, classes = saved["sizes"], dict(saved["summary"]), list(saved["classes"])
            channels, side = int(sizes["channels"]), int(sizes["side"])
            origin = _origin(saved)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise UsageError(f"{folder / FILE} is not as a run writes it.") from None
        return cls({}, channels, side, summary, None, classes, origin)


def _origin(saved: dict[str, Any]) -> Origin:
    """The origin in what `save` wrote; models of former versions have images of bytes."""
    low, high, own = saved.get("range", (0.0, 255.0, False))
    box = saved.get("box")
    if not -math.inf < float(low) < float(high) < math.inf or len(box or range(4)) != 4:
        raise ValueError
    left_to_bottom: Any = None if box is None else tuple(map(int, box))
    flat, as_bytes = (bool(saved.get(key, False)) for key in ("flat", "as_bytes"))
    return Origin(Range(float(low), float(high), bool(own)), left_to_bottom, flat, as_bytes)


def to_unit(x: Tensor) -> Tensor:
    """Scale uint8 (B, H, W, C) to float (B, C, H, W) in [-1, 1]."""
    return x.permute(0, 3, 1, 2).float().div_(127.5).sub_(1).contiguous()


def properties_of(x: Tensor) -> dict[str, Tensor]:
    """Measure properties of images (B, C, H, W) in [-1, 1], each (B,).

    - brightness: mean over pixels and channels, 0 to 1.
    - slant (C = 1): tangent of the angle to the vertical, positive to the right: the shear that
      second moments of the ink undo, mu_xy / mu_yy (Teow and Loe 2002 deslant digits by it).
    - stroke (C = 1): width of the stroke in pixels, twice the area of the ink over the length of
      its outline, which is the total variation of the image (co-area formula).

    Bright pixels are ink. Slant and stroke are NaN where there is almost none.
    """
    ink = (x + 1) / 2
    properties = {"brightness": ink.flatten(1).mean(1)}
    if x.shape[1] != 1:
        return properties
    ink = ink[:, 0]
    area = ink.sum((1, 2))
    empty = area < MIN_INK * ink[0].numel()
    rows = torch.arange(ink.shape[1], dtype=x.dtype, device=x.device)[:, None]
    columns = torch.arange(ink.shape[2], dtype=x.dtype, device=x.device)[None]
    share = ink / area.clamp(min=1e-12)[:, None, None]
    up = (share * rows).sum((1, 2))[:, None, None] - rows  # rows count downwards
    right = columns - (share * columns).sum((1, 2))[:, None, None]
    slant = (share * up * right).sum((1, 2)) / (share * up.square()).sum((1, 2)).clamp(min=1e-12)
    padded = torch.nn.functional.pad(ink, (1, 1, 1, 1))
    down, along = padded.diff(dim=1), padded.diff(dim=2)  # both averaged to corners of pixels
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    along = (along[:, 1:] + along[:, :-1]) / 2
    outline = (down.square() + along.square()).sqrt().sum((1, 2))
    stroke = 2 * area / outline.clamp(min=1e-12)
    return properties | {
        "slant": slant.masked_fill(empty, torch.nan),
        "stroke": stroke.masked_fill(empty, torch.nan),
    }
