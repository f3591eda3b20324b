"""The registered benchmarks. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.data.arrays import need_array, read_npz
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset, Pixels
from lebm_images.data.formats import (
    check_arrays,
    check_ids,
    check_shape,
    cifar_binary,
    idx,
    svhn_mat,
    unpack,
)
from lebm_images.data.options import BenchmarkOptions
from lebm_images.data.ranges import Origin, Range
from lebm_images.data.readers import Images

__all__ = ["cifar10", "digits", "eurosat", "mnist", "svhn"]

Split = tuple[Images, np.ndarray[Any, Any]]  # images (N, H, W, C) and labels (N,)
DIGITS = [str(d) for d in range(10)]
CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LAND = [
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture",
    "PermanentCrop", "Residential", "River", "SeaLake",
]  # fmt: skip
LEVELS, PIXELS = Range(0.0, 16.0), Origin()  # of scikit-learn's digits, of the others
PUBLISHED, LAND_SPLIT = BenchmarkOptions(), BenchmarkOptions(valid=800)

MNIST = Needs(
    "images.mnist",
    [["mnist/mnist.npz", "mnist/train-images-idx3-ubyte"]],
    how="mnist.npz holds x_train, y_train, x_test, y_test; the four idx files will do too.",
    address="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    licence="CC BY-SA 3.0, as commonly stated",
)
CIFAR10 = Needs(
    "images.cifar10",
    [["cifar-10-batches-bin/data_batch_1.bin", "cifar10/cifar10.npz",
      "cifar10_jpeg/train_jpeg.npz"]],
    how="The binary version holds data_batch_1.bin to data_batch_5.bin and test_batch.bin.",
    address="https://www.cs.toronto.edu/~kriz/cifar.html",
)  # fmt: skip
SVHN = Needs(
    "images.svhn",
    ["svhn/train_32x32.mat", "svhn/test_32x32.mat"],
    how="The cropped digits come as train_32x32.mat and test_32x32.mat.",
    address="http://ufldl.stanford.edu/housenumbers",
    licence="non-commercial use",
)
EUROSAT = Needs(
    "images.eurosat",
    ["eurosat/train_webp.npz", "eurosat/test_webp.npz"],
    how="The .npz files hold blob, offsets and labels; a folder goes by data.name=images.folder.",
    address="https://github.com/phelber/EuroSAT",
    licence="MIT, as commonly stated",
)


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
    images = LEVELS.bytes_of(found.images)[..., None]
    order = np.random.default_rng(seed).permutation(len(images))
    if valid < 1 or test < 1 or valid + test >= len(images):
        raise UsageError(
            f"data.valid = {valid} and data.test = {test} must be at least 1 and leave some of the "
            f"{len(images)} images to train on."
        )
    cuts = zip(("test", "valid", "train"), np.split(order, [test, test + valid]), strict=True)
    splits = {s: (images[rows], found.target[rows]) for s, rows in cuts}
    return _dataset(splits, "scikit-learn's digits", DIGITS, Origin(LEVELS, None, True, True))


def mnist(*, files: DataFiles, seed: int, options: BenchmarkOptions = PUBLISHED) -> ImageDataset:
    """MNIST, 60,000 / 10,000: as mnist.npz or in its own four idx files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
    """
    (path,) = MNIST.find(files)
    if path.suffix == ".npz":
        train, test = _pairs(path)
    else:
        train, test = _idx_pair(path, "train"), _idx_pair(path, "t10k")
    return _dataset(_hold_out(train, test, options, seed, path), path.name, DIGITS)


def cifar10(*, files: DataFiles, seed: int, options: BenchmarkOptions = PUBLISHED) -> ImageDataset:
    """CIFAR-10: the original binary batches, an .npz of arrays, or one of packed JPEG files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
    """
    (path,) = CIFAR10.find(files)
    if path.suffix == ".bin":
        batches = [cifar_binary(path.with_name(f"data_batch_{i}.bin")) for i in range(1, 6)]
        images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
        train, test = (images, labels), cifar_binary(path.with_name("test_batch.bin"))
        source = "the original binary batches"
    elif path.name == "train_jpeg.npz":
        train, test = (_packed(path.with_name(f"{s}_jpeg.npz"), 3) for s in ("train", "test"))
        source = "a JPEG copy, not the original pixels"
    else:
        (train, test), source = _pairs(path), path.name
    return _dataset(_hold_out(train, test, options, seed, path), source, CIFAR)


def svhn(*, files: DataFiles, seed: int, options: BenchmarkOptions = PUBLISHED) -> ImageDataset:
    """SVHN, cropped digits, 73,257 / 26,032: the original train_32x32.mat and test_32x32.mat.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
    """
    paths = SVHN.find(files)
    train, test = map(svhn_mat, paths)
    return _dataset(_hold_out(train, test, options, seed, paths[0]), "SVHN .mat", DIGITS)


def eurosat(*, files: DataFiles, seed: int, options: BenchmarkOptions = LAND_SPLIT) -> ImageDataset:
    """EuroSAT, satellite images of 64 x 64 in colour, ten kinds of land: packed WebP files.

    Args:
        files: where they are looked for.
        seed: of the validation split, drawn from the training images.
    """
    paths = EUROSAT.find(files)
    train, test = (_packed(path, 3) for path in paths)
    return _dataset(_hold_out(train, test, options, seed, paths[0]), "EuroSAT, lossless", LAND)


def _hold_out(
    train: Split, test: Split, options: BenchmarkOptions, seed: int, path: Path
) -> dict[str, Split]:
    """Hold some of the training images, which are of `path`, out as the validation split."""
    sizes = [images.shape[1:] for images, _ in (train, test)]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"{path}: the training images are {sizes[0]}, those of the test {sizes[1]}."
        )
    n, valid, limit = len(train[0]), options.valid, options.train_images
    if not 1 <= valid < n:
        raise UsageError(f"data.valid = {valid} must be from 1 to {n - 1}.")
    order = np.random.default_rng(seed).permutation(n)
    kept = order[valid:]
    kept = np.sort(kept[:limit] if limit else kept)
    held = np.sort(order[:valid])
    x, y = train
    return {"train": (x[kept], y[kept]), "valid": (x[held], y[held]), "test": test}


def _dataset(
    splits: dict[str, Split], source: str, classes: Sequence[str], origin: Origin = PIXELS
) -> ImageDataset:
    pixels: dict[str, Pixels] = {s: ArrayPixels(x) for s, (x, _) in splits.items()}
    labels: dict[str, Tensor] = {
        s: torch.from_numpy(y.astype(np.int64)) for s, (_, y) in splits.items()
    }
    first = next(iter(splits.values()))[0]
    summary = {"source": source, "counts": {s: len(x) for s, (x, _) in splits.items()}}
    return ImageDataset(pixels, first.shape[3], first.shape[1], summary, labels, classes, origin)


def _pairs(path: Path) -> tuple[Split, Split]:
    """The training and the test split of an .npz with x_train, y_train, x_test and y_test."""
    arrays = read_npz(path)
    x = [need_array(arrays, f"x_{split}", path) for split in ("train", "test")]
    y = [need_array(arrays, f"y_{split}", path) for split in ("train", "test")]
    train, test = check_arrays(x, str(path))
    return (
        (train, check_ids(y[0], len(train), len(DIGITS), f"{path}, train")),
        (test, check_ids(y[1], len(test), len(DIGITS), f"{path}, test")),
    )


def _packed(path: Path, channels: int) -> Split:
    """The images and labels of an .npz of packed image files."""
    arrays = read_npz(path)
    for name in ("blob", "offsets", "labels"):
        need_array(arrays, name, path)
    images = check_shape(unpack(arrays, channels, str(path)), str(path))
    return images, check_ids(arrays["labels"], len(images), len(DIGITS), str(path))


def _idx_pair(path: Path, prefix: str) -> Split:
    ending = ".gz" if path.suffix == ".gz" else ""
    images, labels = (
        path.with_name(f"{prefix}-{kind}-ubyte{ending}") for kind in ("images-idx3", "labels-idx1")
    )
    (pixels,) = check_arrays([idx(images, axes=3)[..., None]], str(images))
    return pixels, check_ids(idx(labels, axes=1), len(pixels), len(DIGITS), str(labels))
