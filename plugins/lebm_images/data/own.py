"""The user's own images as registered data sets: CelebA's folder, any folder, an .npz of arrays."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from lebm_core.data.arrays import need_array, read_npz
from lebm_core.data.classes import classes_of, one_column
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_images.data.cuts import cut_rows, split_dataset
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.folders import folder_dataset
from lebm_images.data.formats import check_shape
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.ranges import Origin, asked_range, extent_of, found_range
from lebm_images.data.readers import fitted_array, warn_about

__all__ = ["celeba", "folder", "npz_dataset"]

OWN = OwnImageOptions()
CELEBA = Needs(
    "images.celeba",
    source="FOLDER, the folder img_align_celeba with its JPEG files",
    address="https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
    licence="non-commercial research",
)
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
    """Any folder of image files, or an .npz with x (and y); folders name the classes.

    Args:
        files: not used.
        seed: of the splits.
        source: the folder, or the .npz file
        labels: a text file with a line "NAME,CLASS" for each image; empty where folders name them
    """
    FOLDER.check(source)
    path = Path(source)
    if path.suffix.lower() in (".npz", ".npy"):
        if labels:
            raise UsageError(f'data.labels is for folders: {path} holds its labels as "y".')
        return npz_dataset(path, options, seed)
    if os.path.isfile(path):
        raise UsageError(f"{path} is a file: data.source must be a folder of images, or an .npz.")
    return folder_dataset(path, options, seed, labels=labels)


def npz_dataset(path: Path, options: OwnImageOptions, seed: int) -> ImageDataset:
    """Read the images of an .npz: "x" (N, H, H) or (N, H, H, C), and labels "y" (N,) if any.

    Images with a pixel that is not a number are left out.

    Args:
        path: the file.
        options: channels, side, range and splits.
        seed: of the splits.

    Raises:
        UsageError: naming the file and what is wrong with it.
    """
    arrays = read_npz(path)
    where = f'{path}, "x"'
    x = check_shape(need_array(arrays, "x", path), where)
    n = len(x)
    y = one_column(arrays["y"], n, f'{path}, "y",') if "y" in arrays else None
    finite = np.isfinite(x).reshape(n, -1).all(1) if n else np.zeros(0, dtype=bool)
    if not finite.all():
        warn_about(
            [f"image {i}" for i in np.flatnonzero(~finite)],
            f"{path}: {{n}} of {n} images have a pixel that is not a number and are left out: ",
        )
        x, y = x[finite], None if y is None else [y[i] for i in np.flatnonzero(finite)]
    rows = cut_rows(len(x), options.valid, options.test, seed, str(path))
    pixels = found_range(extent_of(x), asked_range(options.low, options.high), where)
    size = x.shape[2], x.shape[1]
    chosen = options.chosen([size], grey=bool((x == x[..., :1]).all()))
    if size[0] != chosen.side and not options.side:
        warn_about(
            ["data.side sets another"],
            f"{where}: the images of {size[0]} x {size[1]} are scaled to {chosen.side} x "
            f"{chosen.side}; ",
        )
    images = fitted_array(pixels.bytes_of(x), chosen.channels, chosen.side)
    held: dict[str, Pixels] = {split: ArrayPixels(images[r]) for split, r in rows.items()}
    known = None if y is None else classes_of(y, f'{path}, "y",')
    summary = {
        "source": path.name,
        "pixels": str(pixels),
        "images": chosen.described([size]),
        "left out": n - len(x),
    }
    origin = Origin(pixels, flat=arrays["x"].ndim == 3 and chosen.channels == 1)
    return split_dataset(held, (chosen.channels, chosen.side), rows, known, summary, origin)
