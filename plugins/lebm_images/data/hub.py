"""Images of the `datasets` library, from the hub or a local folder, decoded batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.classes import classes_of
from lebm_core.data.files import DataFiles
from lebm_core.data.hub import hub_splits
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_images.data.cuts import fill_splits
from lebm_images.data.dataset import ImageDataset, Pixels
from lebm_images.data.options import OwnImageOptions, Size
from lebm_images.data.ranges import Extent, Origin, Range, asked_range, extent_of, found_range
from lebm_images.data.readers import BYTES, Images, Numbers, as_pixels, fitted

__all__ = ["HubPixels", "hub"]

OWN = OwnImageOptions()
LABEL = "label"  # the column that is looked for without being named
PROBED = 500  # training images from which range, side and channels are told
HUB = Needs("images.hub", source="an id of the hub or a local folder")


class HubPixels:
    """A column of images of a `datasets.Dataset`, which stays on disk.

    Args:
        rows: the data set.
        field: the column.
        channels: 1 or 3.
        side: to which the centre square of each image is scaled.
        where: the name of the data set in messages.
        pixels: the range of their pixels.
    """

    def __init__(
        self, rows: Any, field: str, channels: int, side: int, where: str, pixels: Range = BYTES
    ) -> None:
        self.rows, self.field, self.channels = rows, field, channels
        self.side, self.where, self.range = side, where, pixels

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Sequence[int]) -> Images:
        return np.stack([fitted(self._bytes(row, x), self.side) for row, x in self.read(rows)])

    def read(self, rows: Sequence[int]) -> list[tuple[int, Numbers]]:
        """The images of these rows, each with its number, as numbers (H, W, channels).

        Raises:
            UsageError: naming the row of what is damaged, or no image.
        """
        where = f"{self.where}, column {shown(self.field)}"
        try:
            found = self.rows[list(rows)][self.field]
            return [
                (row, as_pixels(image, self.channels, f"{where}, row {row}"))
                for row, image in zip(rows, found, strict=True)
            ]
        except UsageError:
            raise
        except Exception as error:  # of damaged images, the library raises errors of any kind
            if len(rows) > 1:  # to name the row
                return [pair for row in rows for pair in self.read([row])]
            reason = str(error) or type(error).__name__
            if type(error).__name__ == "UnidentifiedImageError":  # which tells an address in memory
                reason = "no image"
            raise UsageError(f"{where}, row {rows[0]} cannot be read: {shown(reason)}.") from None

    def _bytes(self, row: int, image: Numbers) -> Images:
        """Refuse an image that is beyond the range of those from which it was told."""
        reason = self.range.misfit(image)
        if reason:
            raise UsageError(
                f"{self.where}, row {row} has {reason}, where others have {self.range}: set "
                "data.low and data.high."
            )
        return self.range.bytes_of(image)


def hub(
    *, files: DataFiles, seed: int, source: str = "", config: str = "", field: str = "image",
    label: str = LABEL, options: OwnImageOptions = OWN,
) -> ImageDataset:  # fmt: skip
    """A data set of the `datasets` library; splits that it lacks are cut from the training split.

    Args:
        files: not used.
        seed: of the splits that are cut.
        source: an id of the hub, or a local folder
        config: the name of a configuration, where the data set has several
        field: the column that holds the images
        label: the column that holds the classes, where there is one; empty for none
    """
    HUB.check(source)
    splits = hub_splits(source, config, "images")
    for split, rows in splits.items():
        _need_column(rows, "field", field, f"{source}, {split}")
        if label not in ("", LABEL):
            _need_column(rows, "label", label, f"{source}, {split}")
    given = {split: np.arange(len(rows)) for split, rows in splits.items()}
    filled = fill_splits(given, options.valid, options.test, seed, source)
    if len(filled) > len(given):
        train = splits["train"]
        splits |= {s: train.select(r) for s, r in filled.items() if s not in given or s == "train"}
    pixels = {
        split: HubPixels(rows, field, options.channels or 3, options.side, f"{source}, {split}")
        for split, rows in splits.items()
    }
    sizes, grey, extent = _looked(pixels["train"], source)
    options = options.chosen(sizes, grey)
    found = found_range(extent, asked_range(options.low, options.high), source)
    for each in pixels.values():
        each.channels, each.side, each.range = options.channels, options.side, found
    labels, names = None, list[str]()
    if label and all(label in rows.column_names for rows in splits.values()):
        labels, names = _labels(splits, label, source)
    counts = {split: len(rows) for split, rows in splits.items()}
    summary = {
        "source": source,
        "pixels": str(found),
        "images": options.described(sizes),
        "counts": counts,
    }
    held: dict[str, Pixels] = dict(pixels)
    return ImageDataset(held, options.channels, options.side, summary, labels, names, Origin(found))


def _need_column(rows: Any, key: str, name: str, where: str) -> None:
    if name not in rows.column_names:
        raise UsageError(
            f"data.{key} = {shown(name)} is not a column of {where}: "
            f"{', '.join(rows.column_names)} are." + did_you_mean(name, rows.column_names)
        )


def _looked(pixels: HubPixels, source: str) -> tuple[set[Size], bool, Extent]:
    """Sizes, whether all are grey, and extent, of some of the images, evenly spread."""
    n = len(pixels)
    rows = np.unique(np.linspace(0, n - 1, min(n, PROBED)).astype(np.int64)).tolist()
    sizes, grey, extents = set[Size](), True, list[Extent]()
    for row in rows:
        ((_, image),) = pixels.read([row])
        sizes.add((image.shape[1], image.shape[0]))
        grey = grey and bool((image == image[..., :1]).all())
        extents.append(extent_of(image))
    if not extents:
        raise UsageError(f"{source} has no training image.")
    return sizes, grey, Extent(min(e.low for e in extents), max(e.high for e in extents))


def _labels(splits: dict[str, Any], label: str, source: str) -> tuple[dict[str, Tensor], list[str]]:
    """The class ids of each split, -1 where unknown, and the names of the classes."""
    kinds = {split: list(rows[label]) for split, rows in splits.items()}
    names: list[str] | None = getattr(splits["train"].features[label], "names", None)
    if names is None:  # plain values
        known = classes_of(
            [kind for each in kinds.values() for kind in each], f'{source}, column "{label}",'
        )
        ends = np.cumsum([len(each) for each in kinds.values()])[:-1]
        parts = zip(kinds, np.split(known.ids, ends), strict=True)
        return {split: torch.from_numpy(ids) for split, ids in parts}, known.names
    if not all(isinstance(name, str) and name for name in names):
        raise UsageError(
            f'{source}: column "{label}" calls its classes {shown(names, 300)}: each needs a name.'
        )
    ids = {
        split: torch.tensor([-1 if kind is None else kind for kind in each], dtype=torch.long)
        for split, each in kinds.items()
    }
    every = torch.cat(list(ids.values()))
    if len(every) and not -1 <= int(every.min()) <= int(every.max()) < len(names):
        raise UsageError(f'{source}: column "{label}" has ids beyond its {len(names)} classes.')
    return ids, list(names)
