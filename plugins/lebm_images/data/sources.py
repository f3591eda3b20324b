"""The registered data sets. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.files import DataFiles
from lebm_core.errors import MissingExtra, UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.folders import folder_dataset, npz_dataset
from lebm_images.data.readers import Images, check_array, cifar_binary, idx, npz, unpack

__all__ = ["celeba", "cifar10", "digits", "eurosat", "folder", "mnist", "svhn"]

Split = tuple[Images, np.ndarray[Any, Any]]  # images (N, H, W, C) and labels (N,)
DIGITS = [str(d) for d in range(10)]
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LAND = [
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture",
    "PermanentCrop", "Residential", "River", "SeaLake",
]  # fmt: skip


def digits(*, files: DataFiles, seed: int, valid: int = 200, test: int = 500) -> ImageDataset:
    """scikit-learn's 1,797 handwritten digits of 8 x 8; they come with it.

    Args:
        files: not used.
        seed: of the split.
        valid: images to choose by
        test: images to judge by
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)[..., None]
    order = np.random.default_rng(seed).permutation(len(images))
    if valid < 1 or test < 1 or valid + test >= len(images):
        raise UsageError(
            f"data.valid = {valid} and data.test = {test} must be at least 1 and leave something "
            f"of {len(images)} images to train on."
        )
    cuts = zip(("test", "valid", "train"), np.split(order, [test, test + valid]), strict=True)
    splits = {s: (images[rows], found.target[rows]) for s, rows in cuts}
    return _dataset(splits, "scikit-learn's digits", DIGITS)


def mnist(*, files: DataFiles, seed: int, valid: int = 5000, train_images: int = 0) -> ImageDataset:
    """MNIST, 60,000 / 10,000: as mnist.npz or in its own four idx files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
        valid: training images kept to choose by
        train_images: use only so many training images; 0 for all
    """
    how = "mnist.npz holds x_train, y_train, x_test, y_test; the four idx files will do too."
    path = files.find("images.mnist", ["mnist/mnist.npz", "mnist/train-images-idx3-ubyte"], how)
    if path.suffix == ".npz":
        found = npz(path)
        train, test = (_pair(found, s, path) for s in ("train", "test"))
    else:
        train, test = _idx_pair(path, "train"), _idx_pair(path, "t10k")
    return _dataset(_held_out(train, test, valid, seed, train_images), str(path.name), DIGITS)


def cifar10(
    *, files: DataFiles, seed: int, valid: int = 5000, train_images: int = 0
) -> ImageDataset:
    """CIFAR-10: the original binary batches, an .npz of arrays, or one of packed JPEG files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
        valid: training images kept to choose by
        train_images: use only so many training images; 0 for all
    """
    how = "The binary version holds data_batch_1.bin to data_batch_5.bin and test_batch.bin."
    path = files.find(
        "images.cifar10",
        ["cifar-10-batches-bin/data_batch_1.bin", "cifar10/cifar10.npz",
         "cifar10_jpeg/train_jpeg.npz"],
        how,
    )  # fmt: skip
    if path.suffix == ".bin":
        batches = [cifar_binary(path.with_name(f"data_batch_{i}.bin")) for i in range(1, 6)]
        train = tuple(np.concatenate(part) for part in zip(*batches, strict=True))
        test = cifar_binary(path.with_name("test_batch.bin"))
        source = "the original binary batches"
    elif path.name == "train_jpeg.npz":
        train, test = (_packed(path.with_name(f"{s}_jpeg.npz"), 3) for s in ("train", "test"))
        source = "a JPEG copy, not the original pixels"
    else:
        found = npz(path)
        train, test = (_pair(found, s, path) for s in ("train", "test"))
        source = path.name
    return _dataset(_held_out(train, test, valid, seed, train_images), source, CIFAR)  # type: ignore[arg-type]


def svhn(*, files: DataFiles, seed: int, valid: int = 5000, train_images: int = 0) -> ImageDataset:
    """SVHN, cropped digits, 73,257 / 26,032: the original train_32x32.mat and test_32x32.mat.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
        valid: training images kept to choose by
        train_images: use only so many training images; 0 for all
    """
    how = "The cropped digits come as train_32x32.mat and test_32x32.mat."
    train, test = (
        _mat(files.find("images.svhn", [f"svhn/{s}_32x32.mat"], how)) for s in ("train", "test")
    )
    return _dataset(_held_out(train, test, valid, seed, train_images), "SVHN .mat", DIGITS)


def eurosat(
    *, files: DataFiles, seed: int, valid: int = 800, train_images: int = 0
) -> ImageDataset:
    """EuroSAT, satellite images of 64 x 64 in colour, ten kinds of land: packed WebP files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
        valid: training images kept to choose by
        train_images: use only so many training images; 0 for all
    """
    how = "The .npz files hold blob, offsets and labels; a folder goes by data.name=images.folder."
    train, test = (
        _packed(files.find("images.eurosat", [f"eurosat/{s}_webp.npz"], how), 3)
        for s in ("train", "test")
    )
    return _dataset(_held_out(train, test, valid, seed, train_images), "EuroSAT, lossless", LAND)


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
    if not source:
        raise UsageError(
            "The data set images.celeba needs data.source=FOLDER, the folder img_align_celeba with "
            "its JPEG files. lebm recipe image-digits needs no download."
        )
    box = (25, 45, 153, 173) if side == 128 else None
    return folder_dataset(Path(source), 3, side, valid, test, seed, box=box)


def folder(
    *, files: DataFiles, seed: int, source: str = "", channels: int = 3, side: int = 64,
    valid: float = 0.1, test: float = 0.1, labels: str = "",
) -> ImageDataset:  # fmt: skip
    """Any folder of PNG, JPEG or WebP files, or an .npz with x (and y); folders name the classes.

    Args:
        files: not used.
        seed: of the splits.
        source: the folder, or the .npz file
        channels: 1 (grey) or 3
        side: to which the centre square of each image is scaled
        valid: share of the images to choose by
        test: share of the images to judge by
        labels: a text file with a line "NAME,CLASS" for each image; empty where folders name them
    """
    if not source:
        raise UsageError("The data set images.folder needs data.source=FOLDER or FILE.npz.")
    path = Path(source)
    if path.suffix == ".npz":
        return npz_dataset(path, valid, test, seed)
    return folder_dataset(path, channels, side, valid, test, seed, labels=labels)


def _held_out(
    train: Split, test: Split, valid: int, seed: int, train_images: int
) -> dict[str, Split]:
    """Splits with `valid` of the training images held out."""
    n = len(train[0])
    if not 1 <= valid < n:
        raise UsageError(f"data.valid must be from 1 to {n - 1}, not {valid}.")
    order = np.random.default_rng(seed).permutation(n)
    kept = order[valid:]
    kept = np.sort(kept[:train_images] if train_images else kept)
    held = np.sort(order[:valid])
    x, y = train
    return {"train": (x[kept], y[kept]), "valid": (x[held], y[held]), "test": test}


def _dataset(splits: dict[str, Split], source: str, classes: Sequence[str]) -> ImageDataset:
    pixels: dict[str, Pixels] = {s: ArrayPixels(x) for s, (x, _) in splits.items()}
    labels: dict[str, Tensor] = {}
    if classes:
        labels = {s: torch.from_numpy(y.astype(np.int64)) for s, (_, y) in splits.items()}
    first = next(iter(splits.values()))[0]
    summary = {"source": source, "counts": {s: len(x) for s, (x, _) in splits.items()}}
    return ImageDataset(pixels, first.shape[3], first.shape[1], summary, labels, classes)


def _pair(found: dict[str, np.ndarray[Any, Any]], split: str, path: Path) -> Split:
    missing = [k for k in (f"x_{split}", f"y_{split}") if k not in found]
    if missing:
        raise UsageError(f'{path} has no array "{missing[0]}": it holds {", ".join(found)}.')
    x, y = check_array(found[f"x_{split}"], f'{path}, "x_{split}"'), found[f"y_{split}"]
    if len(x) != len(y):
        raise UsageError(f"{path} has {len(x)} images in x_{split} but {len(y)} labels.")
    return x, y


def _packed(path: Path, channels: int) -> Split:
    found = npz(path)
    missing = [k for k in ("blob", "offsets", "labels") if k not in found]
    if missing:
        raise UsageError(f'{path} has no array "{missing[0]}": it holds {", ".join(found)}.')
    return unpack(found, channels, str(path)), found["labels"]


def _idx_pair(path: Path, prefix: str) -> Split:
    ending = ".gz" if path.suffix == ".gz" else ""
    images = idx(path.with_name(f"{prefix}-images-idx3-ubyte{ending}"))
    labels = idx(path.with_name(f"{prefix}-labels-idx1-ubyte{ending}"))
    if len(images) != len(labels):
        raise UsageError(
            f"{path.parent} has {len(images)} {prefix} images but {len(labels)} labels."
        )
    return images[..., None], labels


def _mat(path: Path) -> Split:
    try:
        from scipy.io import loadmat
    except ImportError as error:  # scikit-learn brings it
        raise MissingExtra("scipy", needed_by="reading .mat files") from error
    try:
        found = loadmat(path)
        x, y = found["X"], found["y"].ravel() % 10  # a nought is labelled 10
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(f"{path} is not SVHN's .mat file ({error}).") from None
    return np.ascontiguousarray(x.transpose(3, 0, 1, 2)), y
