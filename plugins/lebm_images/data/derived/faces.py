"""Small grey faces: those of Labelled Faces in the Wild that scikit-image carries."""

from __future__ import annotations

from typing import Any

import numpy as np

from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingExtra, UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels

__all__ = ["faces"]

FACES = 100  # the first half of the file; the second is of what is no face


def faces(*, files: DataFiles, seed: int, valid: int = 10, test: int = 20) -> ImageDataset:
    """scikit-image's 100 faces of 25 x 25, grey; they come with it.

    Args:
        files: not used.
        seed: of the split.
        valid: images to choose by
        test: images to judge by

    Raises:
        UsageError: for splits that leave nothing to learn from.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtra("skimage", "images", needed_by="images.faces") from error
    if valid < 1 or test < 1 or valid + test >= FACES:
        raise UsageError(
            f"data.valid = {valid} and data.test = {test} must be at least 1 and leave some of the "
            f"{FACES} faces to train on."
        )
    carried: Any = data.lfw_subset
    found = (carried()[:FACES] * 255).round().astype(np.uint8)[..., None]
    order = np.random.default_rng(seed).permutation(FACES)
    cuts = zip(("test", "valid", "train"), np.split(order, [test, test + valid]), strict=True)
    pixels: dict[str, Pixels] = {split: ArrayPixels(found[rows]) for split, rows in cuts}
    summary = {
        "source": "scikit-image's faces (of Labelled Faces in the Wild)",
        "counts": {split: len(each) for split, each in pixels.items()},
    }
    return ImageDataset(pixels, 1, found.shape[1], summary)
