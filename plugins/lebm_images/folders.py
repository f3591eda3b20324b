"""A folder of image files as a data set: read batch by batch, bad files named and left out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from lebm_core.errors import UsageError
from lebm_images.dataset import ImageDataset, Pixels
from lebm_images.readers import FilePixels, Images, fitted, image_files, open_image

__all__ = ["BoxPixels", "folder_dataset"]

SHOWN = 5  # bad files that are named one by one


class BoxPixels(FilePixels):
    """Image files of which a fixed box is used.

    Args:
        files, channels, side: as `FilePixels`.
        box: left, top, right, bottom.
    """

    def __init__(
        self, files: Sequence[Path], channels: int, side: int, box: tuple[int, int, int, int]
    ) -> None:
        super().__init__(files, channels, side)
        self.box = box

    def one(self, file: Path) -> Images:
        left, top, right, bottom = self.box
        image = open_image(file, self.channels)
        if image.shape[0] < bottom or image.shape[1] < right:
            raise UsageError(f"{file} is smaller than the box {self.box} that is cut out of it.")
        return fitted(image[top:bottom, left:right], self.side)


def folder_dataset(
    folder: Path,
    channels: int,
    side: int,
    valid: float,
    test: float,
    seed: int,
    box: tuple[int, int, int, int] | None,
) -> ImageDataset:
    """The images below a folder; the folders right below it are the classes, where there are some.

    Every file is opened once. What cannot be read is named in a warning and left out.

    Args:
        folder: where the files are.
        channels: 1 or 3.
        side: of the images.
        valid: share, or number above 1, of images to choose by.
        test: share, or number above 1, of images to judge by.
        seed: of the splits.
        box: see `BoxPixels`; None for the centre square.

    Raises:
        UsageError: where no file can be read, or too few for three splits.
    """
    if channels not in (1, 3):
        raise UsageError(f"data.channels must be 1 or 3, not {channels}.")

    def pixels_of(some: Sequence[Path]) -> FilePixels:
        if box is None:
            return FilePixels(some, channels, side)
        return BoxPixels(some, channels, side, box)

    files = image_files(folder)
    make = pixels_of(files)
    good, bad = [], []
    for file in files:
        try:
            make.one(file)
            good.append(file)
        except UsageError as error:
            bad.append(str(error))
    if bad:
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        warnings.warn(
            f"{len(bad)} of {len(files)} files are left out: {' '.join(bad[:SHOWN])}{more}",
            stacklevel=2,
        )
    n = len(good)
    counts = {
        "test": round(test if test >= 1 else test * n),
        "valid": round(valid if valid >= 1 else valid * n),
    }
    if min(counts.values()) < 1 or sum(counts.values()) >= n:
        raise UsageError(f"{folder}: {n} images are too few for a train, a valid and a test split.")
    order = np.random.default_rng(seed).permutation(n).tolist()
    cut = counts["test"], counts["test"] + counts["valid"]
    rows = {"test": order[: cut[0]], "valid": order[cut[0] : cut[1]], "train": order[cut[1] :]}
    names = sorted({f.relative_to(folder).parts[0] for f in good if f.parent != folder})
    labels = None
    if names and all(f.parent != folder for f in good):
        number = {name: i for i, name in enumerate(names)}
        y = torch.tensor([number[f.relative_to(folder).parts[0]] for f in good])
        labels = {split: y[torch.tensor(r)] for split, r in rows.items()}
    pixels: dict[str, Pixels] = {s: pixels_of([good[i] for i in r]) for s, r in rows.items()}
    summary = {
        "source": folder.name, "counts": {s: len(r) for s, r in rows.items()}, "left out": len(bad),
    }  # fmt: skip
    return ImageDataset(pixels, channels, side, summary, labels, names if labels else ())
