"""MNIST with one digit held out."""

from __future__ import annotations

import numpy as np
import torch

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.data.options import BenchmarkOptions
from lebm_images.data.sources import mnist

__all__ = ["KINDS", "mnist_anomaly"]

NORMAL_SHARE = 0.8  # of the normal images, to train on
KINDS = ("normal", "held out")
MNIST = Needs(
    "images.mnist-anomaly",
    [["mnist/mnist.npz", "mnist/train-images-idx3-ubyte"]],
    how="mnist.npz holds x_train, y_train, x_test, y_test; the four idx files will do too.",
    address="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    licence="CC BY-SA 3.0, as commonly stated",
)


def mnist_anomaly(
    *, files: DataFiles, seed: int, held_out: int = 1, valid: int = 2000, split_seed: int = 42
) -> ImageDataset:
    """MNIST, all 70,000 images, with one digit that training never sees.

    Args:
        files: where MNIST is looked for.
        seed: not used: the split has a seed of its own, so that seeds differ in the model alone.
        held_out: the digit, 0 to 9
        valid: normal training images kept to choose by
        split_seed: of the shuffle of the normal images
    """
    if held_out not in range(10):
        raise UsageError(f"data.held_out = {held_out} must be a digit, from 0 to 9.")
    MNIST.find(files)
    whole = mnist(files=files, seed=0, options=BenchmarkOptions(valid=1))
    images, labels = [], []
    for split in ("train", "valid", "test"):
        images.append(whole.pixels[split].take(range(whole.length(split))))
        labels.append(whole.labels[split].numpy())
    x, y = np.concatenate(images), np.concatenate(labels)
    normal = np.flatnonzero(y != held_out)
    normal = normal[np.random.default_rng(split_seed).permutation(len(normal))]
    cut = int(NORMAL_SHARE * len(normal))
    if not 1 <= valid < cut:
        raise UsageError(f"data.valid = {valid} must be from 1 to {cut - 1}.")
    rows = {
        "train": normal[: cut - valid],
        "valid": normal[cut - valid : cut],
        "test": np.concatenate([normal[cut:], np.flatnonzero(y == held_out)]),
    }
    return ImageDataset(
        {split: ArrayPixels(x[r]) for split, r in rows.items()},
        whole.sizes["channels"],
        whole.sizes["side"],
        {
            "source": f"MNIST without {held_out}",
            "counts": {split: len(r) for split, r in rows.items()},
            "held out in test": int((y == held_out).sum()),
        },
        {split: torch.from_numpy((y[r] == held_out).astype(np.int64)) for split, r in rows.items()},
        KINDS,
    )
