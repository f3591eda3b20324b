"""From image files to answers about others: by Python and by the command, in the file's form."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_core.run.cli import main
from lebm_core.run.run import run_recipe
from lebm_core.run.trained import Run
from lebm_images.data.dataset import ImageDataset
from lebm_images.data.options import OwnImageOptions
from lebm_images.data.own import folder
from lebm_images.data.sources import digits

TINY = ["training.max_steps=2", "evaluation.metrics=[]", "evaluation.baselines=[]",
        "evaluation.samples=4", "learning.symbols.vat=0"]  # fmt: skip


def paint(file: Path, seed: int, size: tuple[int, int] = (20, 20), *, grey: bool = True) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = size[::-1] if grey else (*size[::-1], 3)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(file)


def read(source: Path, **options: object) -> ImageDataset:
    return folder(files=DataFiles(), seed=0, source=str(source), options=OwnImageOptions(**options))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("own") / "stamps"
    for i in range(40):
        paint(top / f"{i % 2}" / f"{i:02}.png", i)
    return top


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    patch = pytest.MonkeyPatch()
    patch.setattr(ImageDataset, "figures", "")
    out = tmp_path_factory.mktemp("run") / "run"
    run_recipe("images", "smoke", [f"data.source={source}", *TINY], None, out, jobs=1)
    patch.undo()
    yield Run.load(out)


@pytest.mark.parametrize("ask", ["predict", "encode", "score"])
def test_python_and_the_command_answer_alike(
    run: Run, source: Path, tmp_path: Path, ask: str
) -> None:
    table = getattr(run, ask)(source)
    assert len(table) == 40 and table["file"][0] == "0/00.png" and table["class"][0] == "0"
    out = tmp_path / "answers.csv"
    assert main([ask, str(run.folder), str(source), "--out", str(out)]) == 0
    assert out.read_text() == table.csv()
    with out.open() as file:
        assert len(list(csv.DictReader(file))) == 40


def test_the_files_of_the_training_are_prepared_as_it_did(run: Run, source: Path) -> None:
    data = read(source)
    assert data.sizes == {"channels": 1, "side": 20, "n_classes": 2}
    assert data.summary["images"] == "20 x 20, grey"
    new = run.data.new(source)
    names = new.records("test")["file"]
    kept = data.pixels["test"]
    rows = torch.tensor([names.index(f.relative_to(source).as_posix()) for f in kept.files])  # type: ignore[attr-defined]
    batch, there = new.batch("test", rows), data.batch("test", torch.arange(len(rows)))
    assert torch.equal(batch.x, there.x) and batch.y is not None and there.y is not None
    assert torch.equal(batch.y, there.y)
    raw = np.asarray(Image.open(kept.files[0]))  # type: ignore[attr-defined]
    assert np.array_equal(run.data.raw(batch.x[:1])[0, ..., 0], raw)


def test_one_image_in_every_form_is_the_same(run: Run, source: Path, tmp_path: Path) -> None:
    file = source / "1" / "01.png"
    image = Image.open(file)
    array = np.asarray(image)[None]
    np.savez(tmp_path / "one.npz", x=array, y=["1"])
    forms = [file, str(file), [file], tmp_path / "one.npz", array, array[..., None], image, [image]]
    found = [run.data.new(form) for form in forms]
    x = [each.batch("test", torch.arange(1)).x for each in found]
    assert all(torch.equal(x[0], other) for other in x[1:])
    assert found[0].records("test").columns == {"file": ["01.png"]}
    assert found[3].records("test").columns == {"image": [0], "class": ["1"]}
    assert found[3].labels["test"].tolist() == [1]
    p = {form: run.predict(form)["probability"] for form in (str(file), tmp_path / "one.npz")}
    assert len(set(map(tuple, p.values()))) == 1


def test_samples_have_the_form_of_the_source_and_a_picture(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.sample(3).shape == (3, 20, 20, 1) and run.sample(3).dtype == np.uint8
    assert main(["sample", str(run.folder), "-n", "3", "--out", str(tmp_path / "s.npz")]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "s.npz")
    assert said.err.strip().endswith(f"Picture: {tmp_path / 's.png'}")
    assert Image.open(tmp_path / "s.png").size == (3 * 60 + 4, 60)
    assert np.array_equal(np.load(tmp_path / "s.npz")["x"], run.sample(3))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 20, 20), np.uint8), "channels last"),
        (np.zeros((0, 20, 20), np.uint8), "holds no image"),
        (np.full((2, 20, 20), 0.3), "fractions from 0.3 to 0.3; the model is of pixels from 0 to"),
        (np.full((2, 20, 20), 300.0), "pixels from 300 to 300; the model"),
        (np.full((2, 20, 20), np.nan), "image 0 has a pixel that is not a number"),
        (np.full((2, 20, 20), "a"), "accepted are numbers"),
        ([np.zeros((8, 8)), np.zeros((9, 9))], "different sizes"),
        ([], r"shape \(0,\)"),
        (3, r"shape \(\)"),
    ],
)
def test_arrays_that_are_no_such_images(run: Run, array: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run.data.new(array)


def test_files_that_are_no_such_images(run: Run, source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("a text")
    with pytest.raises(UsageError, match=r"bad\.png is not an image"):
        run.data.new(tmp_path / "bad.png")
    with pytest.raises(UsageError, match="There is no folder"):
        run.data.new(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="There is no file"):
        run.data.new([tmp_path / "no.png"])
    paint(tmp_path / "good.png", 0, (31, 25), grey=False)
    with pytest.warns(UserWarning, match="1 of 2 files are left out: .*bad.png"):
        new = run.data.new(tmp_path)
    assert new.batch("test", torch.arange(1)).x.shape == (1, 1, 20, 20)
    assert main(["predict", str(run.folder), str(tmp_path / "bad.png")]) == 2


def test_side_and_channels_are_those_of_the_images(tmp_path: Path) -> None:
    for i in range(10):
        paint(tmp_path / "grey" / f"{i}.png", i, (70, 70))
        paint(tmp_path / "colour" / f"{i}.png", i, (28, 32), grey=i > 0)
        Image.open(tmp_path / "grey" / f"{i}.png").convert("RGB").save(
            tmp_path / "grey" / f"{i}.png"
        )
    with pytest.warns(UserWarning, match="70 x 70 pixels: .* scaled to 64 x 64; data.side sets"):
        grey = read(tmp_path / "grey")
    assert grey.sizes == {"channels": 1, "side": 64}
    assert grey.summary["images"] == "64 x 64, grey, scaled from 70 x 70"
    with pytest.warns(UserWarning, match="9 of 10 images are grey|28 x 32 pixels: the centre"):
        assert read(tmp_path / "colour").sizes == {"channels": 3, "side": 28}
    assert read(tmp_path / "colour", channels=1, side=20).sizes == {"channels": 1, "side": 20}


def test_arrays_are_scaled_as_asked_and_come_back_in_their_range(tmp_path: Path) -> None:
    x = np.linspace(0, 1, 20 * 64, dtype=np.float32).reshape(20, 8, 8)
    file = tmp_path / "mine.npz"
    np.savez(file, x=x)
    data = read(file)
    data.save(tmp_path)
    loaded = ImageDataset.load(tmp_path)
    batch = loaded.new(file).batch("test", torch.arange(20)).x
    back = loaded.raw(batch)
    assert back.shape == x.shape and back.dtype == np.float32 and np.abs(back - x).max() < 1 / 500
    assert loaded.write(batch, tmp_path / "s").name == "s.npz"
    assert np.array_equal(np.load(tmp_path / "s.npz")["x"], back)
    assert read(file, side=20, channels=3).batch("test", torch.arange(1)).x.shape == (1, 3, 20, 20)
    with pytest.warns(UserWarning, match="the centre square of each is scaled to 8 x 8: 9 x 8"):
        assert loaded.new(np.ones((1, 9, 8))).batch("test", torch.arange(1)).x.shape[2:] == (8, 8)


def test_digits_take_the_levels_of_scikit_learn(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits

    data = digits(files=DataFiles(), seed=0)
    images = load_digits().images[:5]
    x = data.new(images).batch("test", torch.arange(5)).x
    assert np.array_equal(data.raw(x).round(), images)
    assert np.load(data.write(x, tmp_path / "samples"))["x"].dtype == np.uint8
    with pytest.warns(UserWarning, match="dark beside the pixels of the model, 0 to 16: .* 0 to 1"):
        data.new(np.stack([np.zeros((8, 8)), np.ones((8, 8))]))


def test_models_of_former_versions_have_images_of_bytes(tmp_path: Path) -> None:
    sizes = '{"sizes": {"channels": 1, "side": 8}, "classes": [], "summary": {}}'
    (tmp_path / "images.json").write_text(sizes)
    assert ImageDataset.load(tmp_path).raw(torch.ones(1, 1, 8, 8)).max() == 255
    (tmp_path / "images.json").write_text(sizes[:-1] + ', "range": [1, 0, false]}')
    with pytest.raises(UsageError, match="not as a run writes it"):
        ImageDataset.load(tmp_path)


def test_images_are_completed_in_python_alone_and_that_is_said_at_once(run, tmp_path, capsys):
    assert main(["complete", str(run.folder), str(tmp_path / "missing.png")]) == 2
    assert "lebm complete writes a table" in capsys.readouterr().err
