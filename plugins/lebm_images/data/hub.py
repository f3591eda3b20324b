"""Images of the `datasets` library, from the hub or a local folder, decoded batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.files import DataFiles, hub_splits
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError, did_you_mean
from lebm_images.data.dataset import ImageDataset, Pixels
from lebm_images.data.folders import cut_rows
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.readers import Images, as_pixels, fitted

__all__ = ["HubPixels", "hub"]

OWN = OwnImageOptions()
HUB = Needs("images.hub", source="an id of the hub or a local folder")


class HubPixels:
    """A column of images of a `datasets.Dataset`, which stays on disk.

    Args:
        rows: the data set.
        field: the column.
        channels: 1 or 3.
        side: to which the centre square of each image is scaled.
        where: the name of the data set in messages.
    """

    def __init__(self, rows: Any, field: str, channels: int, side: int, where: str) -> None:
        self.rows, self.field, self.channels = rows, field, channels
        self.side, self.where = side, where

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Sequence[int]) -> Images:
        found = self.rows[list(rows)][self.field]
        return np.stack([
            fitted(as_pixels(image, self.channels, f"{self.where}, row {row}"), self.side)
            for row, image in zip(rows, found, strict=True)
        ])  # fmt: skip


def hub(
    *, files: DataFiles, seed: int, source: str = "", config: str = "", field: str = "image",
    label: str = "label", options: OwnImageOptions = OWN,
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
        if field not in rows.column_names:
            raise UsageError(
                f'data.field = "{field}" is not a column of {source}, {split}: '
                f"{', '.join(rows.column_names)} are." + did_you_mean(field, rows.column_names)
            )
    missing = [split for split in ("valid", "test") if split not in splits]
    if missing:
        train = splits["train"]
        cut = cut_rows(len(train), options.valid, options.test, seed, source)
        for split in missing:
            splits[split] = train.select(cut[split])
        kept = [split for split in cut if split not in missing]  # rows that are not needed go back
        splits["train"] = train.select(np.sort(np.concatenate([cut[split] for split in kept])))
    pixels: dict[str, Pixels] = {
        split: HubPixels(rows, field, options.channels, options.side, f"{source}, {split}")
        for split, rows in splits.items()
    }
    labels, names = None, list[str]()
    if label and all(label in rows.column_names for rows in splits.values()):
        labels, names = _labels(splits, label, source)
    counts = {split: len(rows) for split, rows in splits.items()}
    summary = {"source": source, "counts": counts}
    return ImageDataset(pixels, options.channels, options.side, summary, labels, names)


def _labels(splits: dict[str, Any], label: str, source: str) -> tuple[dict[str, Tensor], list[str]]:
    kinds = {split: list(rows[label]) for split, rows in splits.items()}
    names: list[str] | None = getattr(splits["train"].features[label], "names", None)
    if names is None:  # plain values: the sorted distinct ones are the classes
        values = sorted({kind for each in kinds.values() for kind in each})
        number = {value: i for i, value in enumerate(values)}
        names = [str(value) for value in values]
        kinds = {split: [number[kind] for kind in each] for split, each in kinds.items()}
    ids = {split: torch.tensor(each) for split, each in kinds.items()}
    if any(len(each) and int(each.max()) >= len(names) for each in ids.values()):
        raise UsageError(f'{source}: column "{label}" has ids beyond its {len(names)} classes.')
    return ids, list(names)
