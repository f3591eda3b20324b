"""The user's own images as registered data sets: CelebA's folder, any folder, an .npz of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.folders import cut_rows, folder_dataset, split_dataset, warn_about
from lebm_images.data.formats import check_array, npz
from lebm_images.data.options import OwnImageOptions

__all__ = ["celeba", "folder", "npz_dataset"]

OWN = OwnImageOptions()
CELEBA = Needs("images.celeba", source="FOLDER, the folder img_align_celeba with its JPEG files")
FOLDER = Needs("images.folder", source="FOLDER or FILE.npz")


def celeba(
    *, files: DataFiles, seed: int, source: str = "", side: int = 64, valid: int = 2000,
    test: int = 2000,
) -> ImageDataset:  # fmt: skip
    """CelebA's aligned faces, a folder of JPEG files; cut as published.

    Args:
        files: not used.
        seed: of the splits.
        source: the folder img_align_celeba
        side: 64 (the centre square) or 128 (the published box 25, 45 of 128 x 128)
        valid: images to choose by
        test: images to judge by
    """
    CELEBA.check(source)
    box = (25, 45, 153, 173) if side == 128 else None
    return folder_dataset(Path(source), OwnImageOptions(3, side, valid, test), seed, box=box)


def folder(
    *, files: DataFiles, seed: int, source: str = "", options: OwnImageOptions = OWN,
    labels: str = "",
) -> ImageDataset:  # fmt: skip
    """Any folder of PNG, JPEG or WebP files, or an .npz with x (and y); folders name the classes.

    Args:
        files: not used.
        seed: of the splits.
        source: the folder, or the .npz file
        labels: a text file with a line "NAME,CLASS" for each image; empty where folders name them
    """
    FOLDER.check(source)
    path = Path(source)
    if path.suffix == ".npz":
        return npz_dataset(path, options.valid, options.test, seed)
    return folder_dataset(path, options, seed, labels=labels)


def npz_dataset(path: Path, valid: float, test: float, seed: int) -> ImageDataset:
    """Read the images of an .npz: "x" (N, H, H) or (N, H, H, C), and class ids "y" (N,) if any.

    Images with a pixel that is not a number are left out.

    Args:
        path: the file.
        valid, test, seed: as `cut_rows`.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    arrays = npz(path)
    if "x" not in arrays:
        held = ", ".join(arrays) or "nothing"
        raise UsageError(f'{path} has no array "x": it holds {held}.')
    x, y = arrays["x"], arrays.get("y")
    if y is not None and (len(y) != len(x) or not np.issubdtype(y.dtype, np.integer)):
        raise UsageError(
            f'{path} has {len(x)} images but {len(y)} labels of type {y.dtype} in "y": accepted '
            "are as many integers as images, or no y."
        )
    n = len(x)
    if np.issubdtype(x.dtype, np.floating) and n:
        finite = np.isfinite(x).reshape(n, -1).all(1)
        warn_about(
            [f"image {i}" for i in np.flatnonzero(~finite)],
            f"{path}: {{n}} of {n} images have a pixel that is not a number and are left out: ",
        )
        x, y = x[finite], y if y is None else y[finite]
    images = check_array(x, f'{path}, "x"')
    rows = cut_rows(len(images), valid, test, seed, str(path))
    known = None
    if y is not None:
        known = torch.from_numpy(y.astype(np.int64)), [str(c) for c in range(int(y.max()) + 1)]
    pixels: dict[str, Pixels] = {s: ArrayPixels(images[r]) for s, r in rows.items()}
    channels, side = images.shape[3], images.shape[1]
    return split_dataset(pixels, channels, side, rows, known, path.name, n - len(images))
