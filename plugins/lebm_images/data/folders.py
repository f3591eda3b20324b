"""Folders of image files, read batch by batch.

Images that cannot be read are named in a warning and left out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.files import open_lines
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset, Pixels
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.readers import (
    FilePixels,
    Images,
    fitted,
    form,
    image_files,
    open_image,
)

__all__ = ["BoxPixels", "cut_rows", "folder_dataset", "split_dataset", "warn_about"]

SHOWN = 5  # images that a warning names one by one
Labels = tuple[Tensor, list[str]]  # (N,) class ids, -1 for unknown, and the names of the classes


class BoxPixels(FilePixels):
    """Image files cropped to a fixed box.

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
            raise UsageError(f"{file} is smaller than the box {self.box} to be cropped.")
        return fitted(image[top:bottom, left:right], self.side)


def folder_dataset(
    folder: Path,
    options: OwnImageOptions,
    seed: int,
    *,
    labels: str = "",
    box: tuple[int, int, int, int] | None = None,
) -> ImageDataset:
    """Make a data set of the images below a folder; its direct subfolders, if any, are the classes.

    Every file is opened once; those that cannot be read are left out.

    Args:
        folder: where the files are.
        options: channels, side and splits; shares from 1 on are numbers of images.
        seed: of the splits.
        labels: a file of lines "NAME,CLASS", which names the classes instead; empty for none.
        box: see `BoxPixels`; None for the centre square.

    Raises:
        UsageError: where no file can be read, or too few for three splits.
    """
    channels, side = options.channels, options.side
    if channels not in (1, 3):
        raise UsageError(f"data.channels = {channels} must be 1 or 3.")

    def pixels_of(files: Sequence[Path]) -> FilePixels:
        if box is None:
            return FilePixels(files, channels, side)
        return BoxPixels(files, channels, side, box)

    files = image_files(folder)
    good = _readable(files, pixels_of(files))
    rows = cut_rows(len(good), options.valid, options.test, seed, str(folder))
    _warn_of_forms(good, channels, side)
    known = _from_file(Path(labels), folder, good) if labels else _from_folders(folder, good)
    pixels: dict[str, Pixels] = {
        s: pixels_of([good[i] for i in r.tolist()]) for s, r in rows.items()
    }
    skipped = len(files) - len(good)
    return split_dataset(pixels, channels, side, rows, known, folder.name, skipped)


def cut_rows(
    n: int, valid: float, test: float, seed: int, where: str
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw the rows of the three splits; `valid` and `test` are shares, or numbers from 1 on.

    Raises:
        UsageError: where one of the splits would be empty.
    """
    n_test, n_valid = (round(x if x >= 1 else x * n) for x in (test, valid))
    if valid <= 0 or test <= 0 or min(n_test, n_valid) < 1 or n_test + n_valid >= n:
        raise UsageError(
            f"{where}: {n} images do not make a train, a valid and a test split with "
            f"data.valid = {valid:g} and data.test = {test:g}."
        )
    order = np.random.default_rng(seed).permutation(n)
    first, second = n_test, n_test + n_valid
    return {"test": order[:first], "valid": order[first:second], "train": order[second:]}


def split_dataset(
    pixels: dict[str, Pixels],
    channels: int,
    side: int,
    rows: dict[str, np.ndarray[Any, Any]],
    known: Labels | None,
    source: str,
    skipped: int,
) -> ImageDataset:
    """Make a data set of the images of each split and the labels of all images, where there are."""
    summary = {
        "source": source, "counts": {s: len(r) for s, r in rows.items()}, "left out": skipped,
    }  # fmt: skip
    if known is None:
        return ImageDataset(pixels, channels, side, summary)
    y, classes = known
    labels = {s: y[torch.from_numpy(r)] for s, r in rows.items()}
    return ImageDataset(pixels, channels, side, summary, labels, classes)


def _readable(files: Sequence[Path], pixels: FilePixels) -> list[Path]:
    good, bad = [], []
    for file in files:
        try:
            pixels.one(file)
            good.append(file)
        except UsageError as error:
            bad.append(str(error).rstrip("."))
    warn_about(bad, f"{{n}} of {len(files)} files are left out: ")
    return good


def _warn_of_forms(files: Sequence[Path], channels: int, side: int) -> None:
    """Warn of grey images among colour ones, and of images of different sizes."""
    forms = [form(file) for file in files]
    grey = [str(f) for f, (_, is_grey) in zip(files, forms, strict=True) if is_grey]
    if channels == 3 and len(grey) < len(files):
        warn_about(
            grey, f"{{n}} of {len(files)} images are grey among colour ones, and made colour: "
        )
    sizes = {size for size, _ in forms}
    if len(sizes) > 1:
        warnings.warn(
            f"The images have {len(sizes)} different sizes: the centre square of each is scaled to "
            f"{side} x {side}.",
            stacklevel=4,
        )


def _from_folders(folder: Path, files: Sequence[Path]) -> Labels | None:
    if any(f.parent == folder for f in files):
        return None
    kinds = [f.relative_to(folder).parts[0] for f in files]
    names = sorted(set(kinds))
    return torch.tensor([names.index(kind) for kind in kinds]), names


def _from_file(path: Path, folder: Path, files: Sequence[Path]) -> Labels:
    kinds: dict[str, str] = {}
    for number, line in open_lines(path):
        name, comma, kind = line.strip().rpartition("," if "," in line else "\t")
        if not line.strip():
            continue
        if not comma or not name.strip() or not kind.strip():
            raise UsageError(f'{path}, line {number}: "{line}" is not of the form NAME,CLASS.')
        kinds[name.strip()] = kind.strip()
    keys = [f.relative_to(folder).as_posix() for f in files]
    warn_about(
        [key for key in keys if key not in kinds],
        f"{path} has no label for {{n}} of {len(files)} images, which are used without: ",
    )
    unknown = [name for name in kinds if not (folder / name).is_file()]
    warn_about(unknown, f"{path} has {{n}} labels of images that {folder} does not hold: ")
    names = sorted({kinds[key] for key in keys if key in kinds})
    if not names:
        raise UsageError(
            f"{path} labels no image of {folder}: its names are paths below that folder."
        )
    ids = [names.index(kinds[key]) if key in kinds else -1 for key in keys]
    return torch.tensor(ids), names


def warn_about(names: Sequence[str], text: str) -> None:
    """Warn once, naming the first few of `names`; {n} in the text is their number."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = "; ".join(names[:SHOWN])
        warnings.warn(text.format(n=len(names)) + shown + more + ".", stacklevel=4)
