"""Readers of images and what they read: own folders and arrays, published files, hub folders."""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image
from reader import DataSet, Reader, files_of, further, lines, npz, saved

__all__ = ["READERS"]

NUMBERS = np.random.default_rng(0)
DIGITS = NUMBERS.integers(0, 256, (40, 8, 8), dtype=np.uint8)
COLOURS = NUMBERS.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8)
FIFTHS = {"valid": 0.2, "test": 0.2}
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def picture(seed: int, kind: str = "", size: tuple[int, int] = (8, 9)) -> bytes:
    """An image file, by default a JPEG or a PNG."""
    out = io.BytesIO()
    shape = (size[1], size[0], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    kind = kind or ("JPEG" if seed % 3 == 0 else "PNG")
    Image.fromarray(pixels).save(out, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return out.getvalue()


def packed(kind: str) -> bytes:
    """Image files one after another, as an .npz of blob, offsets and labels."""
    files = [picture(i, kind, (8, 8)) for i in range(12)]
    offsets = np.cumsum([0, *map(len, files)])
    blob = np.frombuffer(b"".join(files), np.uint8)
    return npz(blob=blob, offsets=offsets, labels=np.arange(12) % 10)


def idx(array: np.ndarray) -> bytes:
    """An array of bytes in MNIST's format."""
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def records() -> bytes:
    """Three images of CIFAR-10 in its binary version."""
    made = np.random.default_rng(1).integers(0, 256, (3, 3073), dtype=np.uint8)
    made[:, 0] %= 10
    return made.tobytes()


def mat(packed: bool) -> bytes:
    """Digits of SVHN's form, of which the published files are compressed."""
    from scipy.io import savemat

    out = io.BytesIO()
    x = np.random.default_rng(2).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    y = np.array([[1], [10], [3], [7]], dtype=np.uint8)
    savemat(out, {"X": x, "y": y}, do_compression=packed)
    return out.getvalue()


@functools.cache
def hub(splits: bool) -> dict[str, bytes]:
    """Images and named classes as `save_to_disk` writes them."""
    import datasets

    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    )
    rows = {"image": [{"bytes": picture(i), "path": None} for i in range(24)],
            "label": [i % 2 for i in range(24)]}  # fmt: skip
    whole = datasets.Dataset.from_dict(rows, features=features)
    whole._fingerprint = "0" * 16  # else it is another each time
    if not splits:
        return files_of(whole.save_to_disk, "my/")
    half = datasets.Dataset.from_dict(rows, features=features)
    half._fingerprint = "1" * 16
    return files_of(datasets.DatasetDict({"train": whole, "test": half}).save_to_disk, "my/")


ARRAYS = {"x_train": DIGITS, "y_train": np.arange(40) % 10,
          "x_test": DIGITS[:20], "y_test": np.arange(20) % 10}  # fmt: skip
IDX = {
    f"mnist/{s}-{kind}-ubyte": idx(array)
    for s in ("train", "t10k")
    for kind, array in (
        ("images-idx3", DIGITS[:8, :3, :3]),
        ("labels-idx1", np.arange(8, dtype=np.uint8)),
    )
}
FILES = {f"my/{'ab'[i % 2]}/{i}.{'jpg' if i % 3 == 0 else 'png'}": picture(i) for i in range(24)}
FOLDER = Reader(FILES, DataSet("images.folder", "my", side=8, **FIFTHS), 2, True)
NPZ = Reader({"my.npz": npz(x=DIGITS, y=np.arange(40) % 4)},
             DataSet("images.folder", "my.npz", **FIFTHS))  # fmt: skip

READERS = {
    "images.folder": FOLDER,
    "images.labels": Reader(
        {"labels.csv": lines([f"{f[3:]},{f[3]}" for f in FILES]), **FILES},
        DataSet("images.folder", "my", side=8, labels="labels.csv")),
    "images.npz": NPZ,
    "images.celeba": Reader(
        {f"my/{i}.jpg": picture(i, "JPEG", (20, 24)) for i in range(9)},
        DataSet("images.celeba", "my", valid=2, test=2), 1, True),
    "images.hub": Reader(functools.partial(hub, True), DataSet("images.hub", "my"), 1, True),
    "images.hub-alone": Reader(functools.partial(hub, False),
                               DataSet("images.hub", "my", **FIFTHS), 1, True),
    "images.mnist": Reader({"mnist/mnist.npz": npz(**ARRAYS)}, DataSet("images.mnist", valid=5)),
    "images.mnist-idx": Reader(IDX, DataSet("images.mnist", valid=2), 1, True),
    "images.mnist-anomaly": Reader({"mnist/mnist.npz": npz(**ARRAYS)},
                                   DataSet("images.mnist-anomaly", valid=5)),
    "images.anomaly-idx": Reader(IDX, DataSet("images.mnist-anomaly", valid=2), 1, True),
    "images.cifar10": Reader({f"cifar-10-batches-bin/{s}.bin": records() for s in BATCHES},
                             DataSet("images.cifar10", valid=2), 1, True),
    "images.cifar10-npz": Reader(
        {"cifar10/cifar10.npz": npz(x_train=COLOURS, y_train=np.arange(12) % 10,
                                    x_test=COLOURS, y_test=np.arange(12) % 10)},
        DataSet("images.cifar10", valid=2)),
    "images.cifar10-jpeg": Reader(
        {f"cifar10_jpeg/{s}_jpeg.npz": packed("JPEG") for s in ("train", "test")},
        DataSet("images.cifar10", valid=2), 1, True),
    "images.svhn": Reader({"svhn/train_32x32.mat": mat(True), "svhn/test_32x32.mat": mat(False)},
                          DataSet("images.svhn", valid=2), 1, True),
    "images.eurosat": Reader(
        {f"eurosat/{s}_webp.npz": packed("WEBP") for s in ("train", "test")},
        DataSet("images.eurosat", valid=2), 1, True),
    "images.new": further(FOLDER, "new/1.png", picture(1)),
    "images.new-npz": further(NPZ, "new.npz", npz(x=DIGITS[:5], y=np.arange(5) % 4)),
    "images.saved": saved(NPZ),
}  # fmt: skip
