"""The user's own images as registered data sets: CelebA's folder, any folder, an .npz of arrays."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from lebm_core.data.disk.prepared import asks_disk
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.folders import folder_dataset
from lebm_images.data.npz import npz_dataset, npz_on_disk
from lebm_images.data.options import OwnImageOptions

__all__ = ["celeba", "folder"]

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
    labels: str = "", keep: Literal["memory", "disk"] = "memory",
) -> ImageDataset:  # fmt: skip
    """Any folder of image files, or an .npz with x (and y); folders name the classes.

    Args:
        files: not used.
        seed: of the splits.
        source: the folder, or the .npz file
        labels: a text file with a line "NAME,CLASS" for each image; empty where folders name them
        keep: where the images of an .npz are: memory; or disk, for more than fit: they are
            prepared once in the user cache, and read from there batch by batch. Those of a folder
            are read from its files batch by batch in any case
    """
    FOLDER.check(source)
    path, on_disk = Path(source), asks_disk(keep)
    if path.suffix.lower() in (".npz", ".npy"):
        if labels:
            raise UsageError(f'data.labels is for folders: {path} holds its labels as "y".')
        return npz_on_disk(path, options, seed) if on_disk else npz_dataset(path, options, seed)
    if os.path.isfile(path):
        raise UsageError(f"{path} is a file: data.source must be a folder of images, or an .npz.")
    return folder_dataset(path, options, seed, labels=labels)
