"""Cutting images into splits, the data set of the cut, and warnings about what is left out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.data.classes import Classes
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset, Pixels

__all__ = ["Rows", "cut_rows", "fill_splits", "split_dataset", "warn_about"]

SHOWN = 5  # names that a warning gives one by one
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
) -> ImageDataset:
    """Make a data set of the images of each split.

    Args:
        pixels: the images.
        sizes: channels and side.
        rows: of each split among all images.
        known: the classes of all images, where there are any.
        summary: facts for the report; the number of images of each split is added.
    """
    channels, side = sizes
    summary = {**summary, "counts": {split: len(r) for split, r in rows.items()}}
    if known is None:
        return ImageDataset(pixels, channels, side, summary)
    labels = {split: torch.from_numpy(known.ids[r]) for split, r in rows.items()}
    return ImageDataset(pixels, channels, side, summary, labels, known.names)


def warn_about(names: Sequence[str], text: str) -> None:
    """Warn once, naming the first few of `names`; {n} in the text is their number."""
    if names:
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        shown = "; ".join(names[:SHOWN])
        warnings.warn(text.replace("{n}", f"{len(names):,}") + shown + more + ".", stacklevel=4)
