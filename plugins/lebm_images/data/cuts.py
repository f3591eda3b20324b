"""The splits of images, their classes by folders or by a file of labels, and the data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.data.classes import Classes, check_classes, classes_of, label_names, sorted_names
from lebm_core.data.files import open_lines, open_rows
from lebm_core.errors import UsageError, shown
from lebm_images.data.dataset import ImageDataset, Pixels
from lebm_images.data.ranges import Origin
from lebm_images.data.readers import warn_about

__all__ = [
    "classes_of_folders",
    "classes_of_lines",
    "Rows",
    "cut_rows",
    "fill_splits",
    "split_dataset",
]

Rows = dict[str, NDArray[Any]]  # the row numbers of each split


def cut_rows(n: int, valid: float, test: float, seed: int, where: str) -> Rows:
    """Draw the rows of the three splits; `valid` and `test` are shares, or numbers from 1 on.

    Raises:
        UsageError: where one of the splits would be empty.
    """
    sizes = [0, 0]
    if math.isfinite(valid) and math.isfinite(test):
        sizes = [round(x if x >= 1 else x * n) for x in (test, valid)]
    n_test, n_valid = sizes
    if min(sizes) < 1 or n_test + n_valid >= n:
        raise UsageError(
            f"{where}: {n} images do not make a train, a valid and a test split with "
            f"data.valid = {valid:g} and data.test = {test:g}."
        )
    order = np.random.default_rng(seed).permutation(n)
    first, second = n_test, n_test + n_valid
    return {"test": order[:first], "valid": order[first:second], "train": order[second:]}


def fill_splits(rows: Rows, valid: float, test: float, seed: int, where: str) -> Rows:
    """Cut those of "valid" and "test" that are not given from the rows of "train".

    What is drawn for a split that is given goes back to those of training.
    """
    missing = [split for split in ("valid", "test") if split not in rows]
    if not missing:
        return rows
    train = rows["train"]
    cut = cut_rows(len(train), valid, test, seed, where)
    kept = np.sort(np.concatenate([cut[split] for split in cut if split not in missing]))
    return {**rows, "train": train[kept], **{split: train[cut[split]] for split in missing}}


def split_dataset(
    pixels: dict[str, Pixels],
    sizes: tuple[int, int],
    rows: Rows,
    known: Classes | None,
    summary: dict[str, Any],
    origin: Origin,
) -> ImageDataset:
    """Make a data set of the images of each split.

    Args:
        pixels: the images.
        sizes: channels and side.
        rows: of each split among all images.
        known: the classes of all images, where there are any.
        summary: facts for the report; the number of images of each split is added.
        origin: what the images were before.
    """
    channels, side = sizes
    summary = {**summary, "counts": {split: len(r) for split, r in rows.items()}}
    if known is None:
        return ImageDataset(pixels, channels, side, summary, origin=origin)
    labels = {split: torch.from_numpy(known.ids[r]) for split, r in rows.items()}
    return ImageDataset(pixels, channels, side, summary, labels, known.names, origin)


def classes_of_folders(
    files: Sequence[Path], places: Sequence[tuple[str, ...]], folder: Path
) -> Classes | None:
    """The classes that folders name; None where they name fewer than two, or nearly one a file.

    Args:
        files: the images.
        places: the folders above each of them, from the one that names its class.
        folder: the top, for warnings.
    """
    given = label_names(place[0] if place else "" for place in places)
    names = sorted_names(given)
    if len(names) < 2:
        return None
    try:
        check_classes(names, given, f"The folders of {folder}")
    except UsageError as error:
        warn_about([str(error).rstrip(".")], "Images are used without classes: ")
        return None
    without = [str(file) for file, name in zip(files, given, strict=True) if not name]
    warn_about(
        without,
        f"{{n}} of {len(files)} images stand in no folder of a class, and are used without: ",
    )
    number = {name: i for i, name in enumerate(names)} | {"": -1}
    return Classes(names, np.array([number[name] for name in given], dtype=np.int64))


def classes_of_lines(
    path: Path, folder: Path, files: Sequence[Path], every: Sequence[Path]
) -> Classes:
    """The classes that a file of lines "NAME,CLASS" gives; the names are paths below the folder.

    Args:
        path: the file.
        folder: the top.
        files: the images that are used.
        every: those that are there.

    Raises:
        UsageError: for a line of another form, a second class of one image, or no class.
    """
    there = {file.relative_to(folder).as_posix() for file in every}
    kinds = _lines(path, there)
    keys = [file.relative_to(folder).as_posix() for file in files]
    warn_about(
        [name for name in kinds if name not in there],
        f"{path} has {{n}} labels of images that {folder} does not hold: ",
    )
    if not any(key in kinds for key in keys):
        raise UsageError(
            f"{path} labels no image of {folder}: its names are paths below that folder, such as "
            f"{shown(keys[0])}."
        )
    known = classes_of([kinds.get(key) for key in keys], str(path))
    warn_about(
        [key for key, i in zip(keys, known.ids.tolist(), strict=True) if i < 0],
        f"{path} has no label for {{n}} of {len(files)} images, which are used without: ",
    )
    return known


def _lines(path: Path, there: set[str]) -> dict[str, str]:
    """The class of each name, without a line that names the columns."""
    _, first = next(open_lines(path))
    kinds: dict[str, str] = {}
    for number, cells in open_rows(path, "," if "," in first else "\t"):
        *parts, kind = (cell.strip() for cell in cells)
        name = ",".join(parts)
        if not name:
            raise UsageError(
                f"{path}, line {number}: {shown(','.join(cells))} is not of the form NAME,CLASS."
            )
        if number == 1 and name not in there and not Path(name).suffix:
            continue
        if kinds.get(name, kind) != kind:
            raise UsageError(
                f"{path}, line {number}: {shown(name)} has the class {shown(kind)}, and "
                f"{shown(kinds[name])} in a line before."
            )
        kinds[name] = kind
    return kinds
