"""A folder, an .npz or a hub id of the user's own, and the messages about bad files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.hub import hub
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.own import folder

NONE = DataFiles()
SMALL = OwnImageOptions(side=32)


def paint(path: Path, seed: int, size: tuple[int, int] = (40, 40), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if mode == "L" else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def pets(top: Path, n: int = 10) -> Path:
    for kind in ("cat", "dog"):
        for i in range(n):
            paint(top / kind / f"{i}.png", i)
    return top


def total(data: ImageDataset) -> int:
    return sum(data.length(s) for s in ("train", "valid", "test"))


def test_folders_are_classes_and_nothing_is_said_where_all_is_well(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    data = folder(files=NONE, seed=0, source=str(pets(tmp_path / "pets")), options=SMALL)
    assert data.classes == ["cat", "dog"] and total(data) == 20
    assert [data.length(s) for s in ("train", "valid", "test")] == [16, 2, 2]
    batch = data.batch("train", torch.arange(3))
    assert batch.x.shape == (3, 3, 32, 32) and batch.y is not None
    assert not [w for w in recwarn if issubclass(w.category, UserWarning)]


def test_bad_files_are_named_and_the_others_used(tmp_path: Path) -> None:
    top = pets(tmp_path / "pets")
    (top / "cat" / "broken.png").write_text("a text")
    whole = (top / "cat" / "0.png").read_bytes()
    (top / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(np.full((9, 9), 1000, np.uint16)).save(top / "dog" / "deep.png")
    with pytest.warns(UserWarning) as said:
        data = folder(files=NONE, seed=0, source=str(top), options=SMALL)
    (message,) = [str(w.message) for w in said]
    assert message.startswith("3 of 23 files are left out: ")
    for name, reason in (
        ("broken.png", "is not an image"), ("cut.png", "cannot be read"), ("deep.png", "8 bits"),
    ):  # fmt: skip
        assert name in message and reason in message
    assert total(data) == 20


def test_other_sizes_and_grey_ones_are_said_and_used(tmp_path: Path) -> None:
    top = pets(tmp_path / "pets")
    paint(top / "cat" / "wide.png", 50, (60, 40))
    with pytest.warns(UserWarning, match="2 different sizes: the centre square of each"):
        assert total(folder(files=NONE, seed=0, source=str(top), options=SMALL)) == 21
    (top / "cat" / "wide.png").unlink()
    paint(top / "dog" / "grey.png", 51, mode="L")
    with pytest.warns(UserWarning, match=r"1 of 21 images are grey .*grey\.png"):
        data = folder(files=NONE, seed=0, source=str(top), options=SMALL)
    assert total(data) == 21
    assert data.batch("train", torch.arange(data.length("train"))).x.shape[1] == 3


def test_a_file_of_labels(tmp_path: Path) -> None:
    top = tmp_path / "flat"
    for i in range(20):
        paint(top / f"{i:02}.png", i)
    labels = tmp_path / "labels.csv"
    lines = [f"{i:02}.png,{'odd' if i % 2 else 'even'}" for i in range(20)]
    labels.write_text("\n".join(lines[:-1]) + "\n")  # one line short

    def read() -> ImageDataset:
        return folder(files=NONE, seed=0, source=str(top), options=SMALL, labels=str(labels))

    with pytest.warns(UserWarning, match=r"labels\.csv has no label for 1 of 20 .*19\.png"):
        data = read()
    assert data.classes == ["even", "odd"] and total(data) == 20
    y = torch.cat(list(data.labels.values()))
    assert torch.bincount(y + 1).tolist() == [1, 10, 9]
    labels.write_text("\n".join([*lines, "99.png,odd"]))
    with pytest.warns(UserWarning, match=r"1 labels of images that .* does not hold: 99\.png"):
        read()
    labels.write_text("\n".join([*lines[:3], "just a name"]))
    with pytest.raises(UsageError, match=r'labels\.csv, line 4: "just a name" is not of the form'):
        read()
    labels.write_text("a.png,odd\n")
    with pytest.warns(UserWarning), pytest.raises(UsageError, match="labels no image of"):
        read()


def test_an_npz_with_and_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    x = np.linspace(0, 1, 20 * 64, dtype=np.float32).reshape(20, 8, 8)

    def read() -> ImageDataset:
        return folder(files=NONE, seed=0, source=str(path))

    np.savez(path, x=x)
    data = read()
    assert data.sizes == {"side": 8, "channels": 1} and data.labels == {}
    np.savez(path, x=x, y=np.arange(20) % 4)
    assert read().classes == ["0", "1", "2", "3"]
    assert read().summary["pixels"] == "0 to 1"
    bad = x.copy()
    bad[3, 2, 2] = np.nan
    np.savez(path, x=bad, y=np.arange(20) % 4)
    with pytest.warns(UserWarning, match="1 of 20 images have a pixel .* image 3"):
        data = read()
    assert total(data) == 19
    assert torch.bincount(torch.cat(list(data.labels.values()))).tolist() == [5, 5, 5, 4]
    np.savez(path, x=x, y=np.arange(19))
    with pytest.raises(UsageError, match=r"shape \(19,\): one label for each of the 20"):
        read()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((20, 8, 9), np.uint8), r"shape \(20, 8, 9\): accepted are \(N, H, H\)"),
        (np.zeros((20, 3, 8, 8), np.uint8), "channels last"),
        (np.full((20, 8, 8), 7.0), "every pixel is 7: there is nothing to learn"),
        (np.full((20, 8, 8), "a"), 'holds "<U1": accepted are numbers'),
        (np.float64(3), r"shape \(\)"),
        (np.linspace(0, 4095, 1280).reshape(20, 8, 8), "from 0 to 4095, of which the range is not"),
        (np.linspace(-3, 3, 1280).reshape(20, 8, 8), r"set data\.low and data\.high"),
        (np.zeros((0, 8, 8), np.uint8), "0 images do not make"),
        (np.zeros((2, 8, 8), np.uint8), "2 images do not make"),
    ],
)
def test_an_npz_that_cannot_be_used(tmp_path: Path, array: np.ndarray, message: str) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, x=array)
    with pytest.raises(UsageError, match=message):
        folder(files=NONE, seed=0, source=str(path))


def test_what_is_no_data_set_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    np.savez(path, z=np.zeros(3))
    (tmp_path / "empty").mkdir()
    for source, message in (
        (path, 'no array "x": it holds z'),
        (tmp_path / "empty", "holds no image"),
        (tmp_path / "nowhere", "There is no folder"),
        ("", r"data\.source = FOLDER"),
    ):
        with pytest.raises(UsageError, match=message):
            folder(files=NONE, seed=0, source=str(source))
    path.write_bytes(b"PK nonsense")
    with pytest.raises(UsageError, match=r"mine\.npz is no \.npz file, or is damaged"):
        folder(files=NONE, seed=0, source=str(path))


def test_a_folder_of_the_datasets_library(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    top = pets(tmp_path / "pets")
    images = [str(p) for p in sorted(top.rglob("*.png"))]
    names = datasets.ClassLabel(names=["cat", "dog"])
    features = datasets.Features({"image": datasets.Image(), "label": names})
    full = datasets.Dataset.from_dict({"image": images, "label": [0] * 10 + [1] * 10}, features)
    datasets.DatasetDict({"train": full, "test": full.select(range(4))}).save_to_disk(
        tmp_path / "saved"
    )
    data = hub(files=NONE, seed=0, source=str(tmp_path / "saved"), options=SMALL)
    assert [data.length(s) for s in ("train", "valid", "test")] == [18, 2, 4]
    assert data.classes == ["cat", "dog"]
    assert data.labels["test"].tolist() == [0] * 4
    x = data.batch("test", torch.arange(4)).x
    assert x.shape == (4, 3, 32, 32) and float(x.std()) > 0.2
    with pytest.raises(UsageError, match='data.field = "imag" .* Did you mean "image"'):
        hub(files=NONE, seed=0, source=str(tmp_path / "saved"), field="imag")
    with pytest.raises(UsageError, match='data.label = "lable" .* Did you mean "label"'):
        hub(files=NONE, seed=0, source=str(tmp_path / "saved"), label="lable")
    (tmp_path / "cut.png").write_bytes(Path(images[0]).read_bytes()[:900])
    kinds = ["10", "9", "NA", None] * 5
    few = datasets.Dataset.from_dict(
        {"image": images[:-1] + [str(tmp_path / "cut.png")], "kind": kinds},
        datasets.Features({"image": datasets.Image(), "kind": datasets.Value("string")}),
    )
    datasets.DatasetDict(
        {"train": few.select(range(16)), "test": few.select(range(16, 20))}
    ).save_to_disk(tmp_path / "few")
    data = hub(files=NONE, seed=0, source=str(tmp_path / "few"), label="kind", options=SMALL)
    assert data.classes == ["9", "10"] and data.labels["test"].tolist() == [1, 0, -1, -1]
    with pytest.raises(
        UsageError, match='few, test, column "image", row 3 cannot be read: ".*trunc'
    ):
        data.batch("test", torch.arange(4))
    with pytest.raises(UsageError, match="datasets cannot read it"):
        hub(files=NONE, seed=0, source=str(tmp_path / "nowhere"))
    for ids, said in (([0, 1, -3] * 7, "ids beyond its 2 classes"), ([0, 1, -1] * 7, "")):
        other = full.remove_columns("label").add_column("label", ids[:20]).cast(features)
        other.save_to_disk(tmp_path / f"ids{len(said)}")
        if said:  # as an id it would be another class
            with pytest.raises(UsageError, match=said):
                hub(files=NONE, seed=0, source=str(tmp_path / f"ids{len(said)}"), options=SMALL)
    data = hub(files=NONE, seed=0, source=str(tmp_path / "ids0"), options=SMALL)
    assert sum(int((y == -1).sum()) for y in data.labels.values()) == 6
    info = tmp_path / "ids0" / "dataset_info.json"
    info.write_text(info.read_text().replace('"dog"', "[]"))
    with pytest.raises(UsageError, match="each needs a name"):
        hub(files=NONE, seed=0, source=str(tmp_path / "ids0"), options=SMALL)
    with pytest.raises(UsageError, match=r"images\.hub needs data\.source = an id"):
        hub(files=NONE, seed=0)
