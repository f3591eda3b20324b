"""Data sets of images: formats, splits, and the messages about bad files."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_images.data import formats, sources
from lebm_images.data.dataset import ImageDataset, to_uint8, to_unit
from lebm_images.data.derived.anomaly import mnist_anomaly
from lebm_images.data.options import BenchmarkOptions


def files(folder: Path) -> DataFiles:
    return DataFiles(folder)


def idx_bytes(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return head + array.astype(np.uint8).tobytes()


def test_every_byte_survives_the_way_to_the_batch_and_back() -> None:
    x = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1)
    there = to_unit(x)
    assert there.shape == (1, 1, 16, 16)
    assert float(there.min()) == -1 and float(there.max()) == 1
    assert np.array_equal(to_uint8(there), x.numpy())


def test_digits_are_split_once_and_for_all_by_the_seed(tmp_path: Path) -> None:
    data = sources.digits(files=files(tmp_path), seed=0)
    assert [data.length(s) for s in ("train", "valid", "test")] == [1097, 200, 500]
    again = sources.digits(files=files(tmp_path), seed=0)
    index = torch.arange(20)
    assert torch.equal(data.batch("test", index).x, again.batch("test", index).x)
    other = sources.digits(files=files(tmp_path), seed=1)
    assert not torch.equal(data.batch("test", index).x, other.batch("test", index).x)
    with pytest.raises(UsageError, match="1797 images"):
        sources.digits(files=files(tmp_path), seed=0, test=2000)


@pytest.mark.parametrize("form", ["npz", "idx", "gzipped idx"])
def test_mnist_in_each_of_its_forms(tmp_path: Path, form: str) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (30, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 30),
        "x_test": rng.integers(0, 256, (7, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 7),
    }
    folder = tmp_path / "mnist"
    folder.mkdir()
    if form == "npz":
        np.savez(folder / "mnist.npz", **arrays)
    else:
        for split, name in (("train", "train"), ("test", "t10k")):
            for key, kind in (("x", "images-idx3"), ("y", "labels-idx1")):
                raw = idx_bytes(arrays[f"{key}_{split}"])
                ending = ".gz" if form.startswith("gz") else ""
                file = folder / f"{name}-{kind}-ubyte{ending}"
                file.write_bytes(gzip.compress(raw) if ending else raw)
    data = sources.mnist(files=files(tmp_path), seed=0, options=BenchmarkOptions(5))
    assert [data.length(s) for s in ("train", "valid", "test")] == [25, 5, 7]
    batch = data.batch("test", torch.arange(7))
    assert np.array_equal(to_uint8(batch.x)[..., 0], arrays["x_test"])
    assert batch.y is not None and batch.y.tolist() == arrays["y_test"].tolist()
    few = sources.mnist(files=files(tmp_path), seed=0, options=BenchmarkOptions(5, 10))
    assert few.length("train") == 10


def test_cifar_binary_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    images = rng.integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)
    for i, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        records = [bytes([k % 10]) + images[i, k].tobytes() for k in range(4)]
        (folder / f"{name}.bin").write_bytes(b"".join(records))
    few = BenchmarkOptions(valid=2)
    data = sources.cifar10(files=files(tmp_path), seed=0, options=few)
    assert [data.length(s) for s in ("train", "valid", "test")] == [18, 2, 4]
    shown = to_uint8(data.batch("test", torch.arange(4)).x)
    assert np.array_equal(shown, images[5].transpose(0, 2, 3, 1))
    (folder / "test_batch.bin").write_bytes(b"12345")
    with pytest.raises(UsageError, match="test_batch.bin has 5 bytes"):
        sources.cifar10(files=files(tmp_path), seed=0, options=few)


def test_damaged_idx_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "x-ubyte"
    whole = idx_bytes(np.zeros((3, 2, 2)))
    for content, message in (
        (whole[:-1], "cut short: 11 bytes of 12"),
        (b"GIF89a", "idx format"),
        (whole[:9], "idx format"),
        (bytes([0, 0, 8, 255]) + whole[4:], "with 3 axes"),
        (idx_bytes(np.zeros(3)), "with 3 axes"),
        (gzip.compress(whole)[:-9], "x-ubyte cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=message):
            formats.idx(path, axes=3)
    with pytest.raises(UsageError, match="no-ubyte cannot be read"):
        formats.idx(tmp_path / "no-ubyte", axes=3)


def test_what_a_benchmark_cannot_hold_is_named(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    (tmp_path / "mnist").mkdir()
    whole = {"x_train": images, "x_test": images, "y_train": np.arange(6), "y_test": np.arange(6)}
    for change, message in (
        ({"y_train": np.arange(6) + 5}, "train: the labels must be whole numbers from 0 to 9"),
        ({"y_test": np.eye(6)}, r"test, labels, has the shape \(6, 6\)"),
        ({"x_test": images[:, :4, :4]}, r"mnist.npz: the training images are \(8, 8, 1\), those"),
        ({"x_train": images[:0]}, "holds no image"),
        ({"x_train": np.float64(1)}, r"the shape \(\)"),
    ):
        np.savez(tmp_path / "mnist" / "mnist.npz", **(whole | change))
        with pytest.raises(UsageError, match=message):
            sources.mnist(files=files(tmp_path), seed=0, options=BenchmarkOptions(1))
    with pytest.raises(UsageError, match=r"data\.train_images = -1"):
        BenchmarkOptions(train_images=-1)


def test_damaged_files_of_cifar_and_svhn_are_named(tmp_path: Path) -> None:
    from scipy.io import savemat

    with pytest.raises(UsageError, match=r"none\.bin cannot be read: No such file"):
        formats.cifar_binary(tmp_path / "none.bin")
    (tmp_path / "a.bin").write_bytes(bytes([200]) + bytes(3072))
    with pytest.raises(UsageError, match="from 0 to 9"):
        formats.cifar_binary(tmp_path / "a.bin")
    path = tmp_path / "train_32x32.mat"
    x = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
    savemat(path, {"X": x, "y": np.array([[1], [10], [3], [9]])})
    images, labels = formats.svhn_mat(path)
    assert np.array_equal(images[2], x[..., 2]) and labels.tolist() == [1, 0, 3, 9]
    raw = path.read_bytes()
    random = np.random.default_rng(1)
    for content in (b"", raw[:100], raw[:500], b"junk" * 50, random.bytes(400)):
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"train_32x32\.mat is not SVHN's"):
            formats.svhn_mat(path)
    savemat(path, {"X": x[..., 0], "y": np.arange(4)})
    with pytest.raises(UsageError, match=r"which holds X, uint8 \(32, 32, 3, N\), and y"):
        formats.svhn_mat(path)


def test_packed_images_that_cannot_be_parted_are_named() -> None:
    file = io.BytesIO()
    Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(file, "PNG")
    one = np.frombuffer(file.getvalue(), np.uint8)
    n = len(one)
    packed = {"blob": np.concatenate([one, one]), "offsets": np.array([0, n, 2 * n])}
    assert formats.unpack(packed, 1, "packed").shape == (2, 8, 8, 1)
    for offsets, message in (
        (np.array(3), '"offsets", must be whole numbers'),
        (np.array([0, n, 3 * n]), "do not part"),
        (np.array([n, 0, 2 * n]), "do not part"),
        (np.array([0, n + 3, 2 * n]), "packed, image 1 is not an image"),
    ):
        with pytest.raises(UsageError, match=message):
            formats.unpack(packed | {"offsets": offsets}, 1, "packed")


def test_images_of_another_size_than_the_training_ones_are_refused(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    for split, side in (("train", 6), ("t10k", 5)):
        images = idx_bytes(np.arange(9 * side**2).reshape(9, side, side) % 256)
        (tmp_path / "mnist" / f"{split}-images-idx3-ubyte").write_bytes(images)
        (tmp_path / "mnist" / f"{split}-labels-idx1-ubyte").write_bytes(idx_bytes(np.arange(9)))
    with pytest.raises(UsageError, match=r"the training images are \(6, 6, 1\), those of the test"):
        sources.mnist(files=files(tmp_path), seed=0, options=BenchmarkOptions(2))


def test_packed_images_are_square(tmp_path: Path) -> None:
    (tmp_path / "eurosat").mkdir()
    for split in ("train", "test"):
        file = io.BytesIO()
        Image.fromarray(np.zeros((8, 9, 3), dtype=np.uint8)).save(file, "PNG")
        blob, n = np.frombuffer(file.getvalue() * 3, np.uint8), len(file.getvalue())
        packed = {"blob": blob, "offsets": np.arange(4) * n, "labels": np.arange(3)}
        np.savez(tmp_path / "eurosat" / f"{split}_webp.npz", **packed)
    with pytest.raises(UsageError, match=r"train_webp.npz has the shape \(3, 8, 9, 3\)"):
        sources.eurosat(files=files(tmp_path), seed=0, options=BenchmarkOptions(1))


def test_the_anomaly_of_other_images_has_their_size(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    images, labels = np.arange(1280).reshape(20, 8, 8).astype(np.uint8), np.arange(20) % 10
    held = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    np.savez(tmp_path / "mnist" / "mnist.npz", **held)
    data = mnist_anomaly(files=files(tmp_path), seed=0, valid=2)
    assert data.batch("train", torch.arange(2)).x.shape[1:] == (1, 8, 8)
    assert (data.sizes["channels"], data.sizes["side"]) == (1, 8)


def test_sizes_survive_a_save(tmp_path: Path) -> None:
    data = sources.digits(files=files(tmp_path), seed=0)
    data.save(tmp_path / "data")
    again = ImageDataset.load(tmp_path / "data")
    assert again.sizes == data.sizes and again.classes == data.classes
    assert again.length("train") == 0
    for damaged, message in (("{", "it is not JSON"), ('{"sizes": {}}', "not as a run writes it")):
        (tmp_path / "data" / "images.json").write_text(damaged)
        with pytest.raises(UsageError, match=message):
            ImageDataset.load(tmp_path / "data")


def real(name: str) -> DataFiles:
    folder = Path(os.environ.get("LEBM_DATA", "")) / name
    if not os.environ.get("LEBM_DATA") or not folder.is_dir():
        pytest.skip(f"LEBM_DATA names no folder with {name}")
    return files(folder.parent)


def test_the_real_mnist() -> None:
    data = sources.mnist(files=real("mnist"), seed=0)
    assert [data.length(s) for s in ("train", "valid", "test")] == [55_000, 5_000, 10_000]
    assert torch.bincount(data.labels["test"]).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip


def test_the_published_anomaly_split() -> None:
    data = mnist_anomaly(files=real("mnist"), seed=0, held_out=1)
    ones, normal = 7_877, 70_000 - 7_877
    cut = int(0.8 * normal)
    assert data.length("train") + data.length("valid") == cut
    assert data.length("test") == normal - cut + ones
    assert int(data.labels["test"].sum()) == ones
    assert int(data.labels["train"].sum()) == int(data.labels["valid"].sum()) == 0
    with pytest.raises(UsageError, match="data.held_out = 10 must be a digit, from 0 to 9"):
        mnist_anomaly(files=real("mnist"), seed=0, held_out=10)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), [("cifar10", 32), ("eurosat", 64)])
def test_real_colours(name: str, side: int) -> None:
    folder = {"cifar10": "cifar10_jpeg", "eurosat": "eurosat"}[name]
    data = getattr(sources, name)(files=real(folder), seed=0)
    assert data.sizes == {"channels": 3, "side": side, "n_classes": 10}
    x = data.batch("test", torch.arange(50)).x
    assert x.shape == (50, 3, side, side)
    assert float(x.std()) > 0.2  # pictures, not noise round one value
