"""Image files as people have them: hidden, turned, damaged, of many kinds, in folders of splits."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.own import folder
from lebm_images.data.readers import open_image

SPLITS = ("train", "valid", "test")


def read(path: Path, **options: object) -> ImageDataset:
    return folder(
        files=DataFiles(), seed=0, source=str(path), options=OwnImageOptions(side=8), **options
    )


def sizes(data: ImageDataset) -> list[int]:
    return [data.length(split) for split in SPLITS]


def counted(data: ImageDataset) -> list[int]:
    """How many images have no label, the first class, the second one, ..."""
    y = torch.cat([data.labels[split] for split in SPLITS])
    return torch.bincount(y + 1, minlength=len(data.classes) + 1).tolist()


def paint(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def fill(top: Path, *folders: str, n: int = 10) -> Path:
    for place in folders:
        for i in range(n):
            paint(top / place / f"{i}.png", i)
    return top


def test_hidden_folders_are_no_classes(cases: Path) -> None:
    with pytest.warns(UserWarning, match=r"3 images are hidden and left out: .*0-checkpoint\.png"):
        data = read(cases / "img_hidden_class")
    assert data.classes == ["a", "b"]
    assert sizes(data) == [16, 2, 2] and counted(data) == [0, 10, 10]
    assert data.summary["hidden"] == 3


def test_folders_of_splits_are_the_splits(cases: Path) -> None:
    data = read(cases / "img_train_val_test")
    assert data.classes == ["a", "b"] and sizes(data) == [24, 8, 8]
    for split, each in zip(SPLITS, (12, 4, 4), strict=True):
        assert torch.bincount(data.labels[split]).tolist() == [each, each]


def test_a_turned_image_is_upright(cases: Path) -> None:
    image, form = open_image(cases / "exif6.jpg", 3)
    with Image.open(cases / "exif6.jpg") as stored:
        plain = np.asarray(stored)
    assert form.size == (40, 40)
    assert np.array_equal(image, np.rot90(plain, -1))  # 6: the camera was turned to the left


def test_damaged_files_are_named_and_left_out(cases: Path) -> None:
    with pytest.warns(UserWarning) as said:
        data = read(cases / "img_corrupt_gama")
    assert any(str(w.message).startswith("6 of 18 files are left out: ") for w in said)
    assert data.summary["left out"] == 6 and sum(sizes(data)) == 12
    assert data.classes == []  # a single folder is no class
    reasons = {"gama": "Truncated gAMA|unpack_from", "ihdr": "IHDR", "textbomb": "too large"}
    for name, reason in reasons.items():  # the words are those of the version of Pillow
        with pytest.raises(UsageError, match=f'{name}.png cannot be read: ".*({reason})'):
            open_image(cases / "img_corrupt_gama" / "a" / f"{name}.png", 3)


def test_images_beyond_the_limit_of_pillow_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, "", n=12)
    Image.new("L", (20, 20)).save(tmp_path / "warned.png")
    Image.new("L", (30, 30)).save(tmp_path / "refused.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.warns(UserWarning) as said:
        data = read(tmp_path)
    assert sum(sizes(data)) == 12
    (message,) = [str(w.message) for w in said]
    for name in ("warned.png", "refused.png"):
        assert f"{name} is larger than the limit of 300 pixels" in message


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_is_an_unexpected_error(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    path = tmp_path / "x"
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"):
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, kind)
        whole = path.read_bytes()
        for _ in range(20):
            raw = bytearray(whole)
            for _ in range(int(random.integers(1, 6))):
                raw[random.integers(len(raw))] = random.integers(256)
            path.write_bytes(raw[: random.integers(1, len(raw) + 1)])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    image, _ = open_image(path, 3)
                except UsageError as error:
                    assert str(path) in str(error) and "\n" not in str(error)
                else:
                    assert image.ndim == 3 and image.shape[2] == 3


def test_tif_and_gif_are_read_and_other_kinds_are_named(tmp_path: Path) -> None:
    for i in range(5):
        for suffix in (".tif", ".gif", ".TIFF", ".pgm"):
            paint(tmp_path / f"{i}{suffix}", i)
    frames = [Image.new("RGB", (8, 8), (40 * i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    for name in ("scan.heic", "notes.txt"):
        (tmp_path / name).write_text("?")
    (tmp_path / ".DS_Store").write_text("?")
    with pytest.warns(UserWarning) as said:
        data = read(tmp_path)
    assert sum(sizes(data)) == 21 and data.summary["of other kinds"] == 2
    messages = "\n".join(str(w.message) for w in said)
    assert "2 files are of kinds that are not read, and left out: " in messages
    assert "scan.heic" in messages and "DS_Store" not in messages
    assert "1 files hold several images, of which the first is used: " in messages


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("training/a", "training/b", "validation/a", "Testing/b"), [20, 10, 10]),
        (("train/a", "train/b", "test/a", "test/b"), [18, 2, 20]),  # valid cut from train
        (("train/a", "train/b", "val/a", "val/b"), [18, 20, 2]),
        (("data/train/a", "data/train/b", "data/dev/a", "data/test/b"), [20, 10, 10]),
        (("train/a", "train/b"), [16, 2, 2]),  # no splits: a folder around all
        (("a", "b"), [16, 2, 2]),
    ],
)
def test_splits_by_any_of_their_names(
    tmp_path: Path, folders: tuple[str, ...], expected: list[int], recwarn: pytest.WarningsRecorder
) -> None:
    data = read(fill(tmp_path, *folders))
    assert data.classes == ["a", "b"] and sizes(data) == expected
    assert len(recwarn) == 0


def test_splits_without_train_and_what_stands_beside_them(tmp_path: Path) -> None:
    fill(tmp_path, "val/a", "test/b")
    with pytest.raises(UsageError, match="has the folders test, val, but no train"):
        read(tmp_path)
    fill(tmp_path, "train/a", "train/b", "more/c")
    with pytest.warns(UserWarning, match="10 images stand beside the folders test, train, val"):
        data = read(tmp_path)
    assert data.classes == ["a", "b"] and sizes(data) == [20, 10, 10]
    assert data.summary["left out"] == 10


def test_classes_named_by_folders_are_numbers_in_their_order(tmp_path: Path) -> None:
    fill(tmp_path, "10", "9", "20", n=4)
    paint(tmp_path / "cover.png")
    with pytest.warns(UserWarning, match="1 of 13 images stand in no folder of a class"):
        data = read(tmp_path)
    assert data.classes == ["9", "10", "20"] and counted(data) == [1, 4, 4, 4]


@pytest.mark.parametrize(
    ("y", "classes", "counts"),
    [
        (np.array([10, 20, 30] * 8), ["10", "20", "30"], [0, 8, 8, 8]),
        (np.array([10.0, 20.0, np.nan] * 8), ["10", "20"], [8, 8, 8]),
        (np.array(["ja", "nein", "NA"] * 8), ["ja", "nein"], [8, 8, 8]),
        (np.array([b"ja", b"nein", b""] * 8), ["ja", "nein"], [8, 8, 8]),
        (np.array([[1], [-1], [5_000_000]] * 8), ["1", "5000000"], [8, 8, 8]),
        (np.arange(1, 25) % 6 + 1, ["1", "2", "3", "4", "5", "6"], [0] + [4] * 6),
    ],
)
def test_labels_of_arrays_are_classes_by_their_values(
    tmp_path: Path, y: np.ndarray, classes: list[str], counts: list[int]
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    data = read(tmp_path / "mine.npz")
    assert data.classes == classes and counted(data) == counts
    assert data.sizes["n_classes"] == len(classes)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.eye(24)[:, :3], r"has the shape \(24, 3\): one label for each"),
        (np.array(3), r"has the shape \(\)"),
        (np.full(24, 7), 'holds one class, "7"'),
        (np.full(24, -1), "holds no label"),
    ],
)
def test_labels_that_are_none_are_refused(tmp_path: Path, y: np.ndarray, message: str) -> None:
    x = np.random.default_rng(0).integers(0, 256, (24, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", x=x, y=y)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "mine.npz")


def test_lines_of_labels_with_a_header_quotes_and_gaps(tmp_path: Path) -> None:
    top = fill(tmp_path / "flat", "", n=20)
    file = top / "labels.csv"
    lines = [f'"{i}.png",{("10", "30", "NA", "-1")[i % 4]}' for i in range(19)]
    file.write_text("\n".join(["file,class", *lines, "19.png,"]))
    with pytest.warns(UserWarning, match="has no label for 10 of 20 images") as said:
        data = read(top, labels=str(file))
    assert len(said) == 1  # the file of labels is no file that is left out
    assert data.classes == ["10", "30"] and counted(data) == [10, 5, 5]
    file.write_text("0.png,cat\n1.png,dog\n0.png,dog\n")
    with pytest.raises(UsageError, match=r'line 3: "0\.png" has the class "dog", and "cat"'):
        read(top, labels=str(file))
    with pytest.warns(UserWarning), pytest.raises(UsageError, match="There is no file"):
        read(top, labels=str(top / "none.csv"))


def test_a_source_that_is_neither_folder_nor_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(3))
    paint(tmp_path / "one.png")
    for source, message in (
        (tmp_path / "x.npy", r"numpy\.savez"),
        (tmp_path / "one.png", "is a file: data.source must be a folder"),
        (tmp_path / ("n" * 5000), r"There is no folder .*characters\)"),
    ):
        with pytest.raises(UsageError, match=message):
            read(source)
