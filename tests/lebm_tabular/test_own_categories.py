"""From a table with words to predictions: recipe, command, Python and estimator agree."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core import LatentEBM, LatentEBMClassifier, Run, run_recipe
from lebm_core.base.table import Table
from lebm_core.errors import UsageError
from lebm_core.run.cli import main

COLOURS, SHAPES = ["red", "green", "blue"], ["round", "long"]
KIND = {("red", "round"): "cherry", ("red", "long"): "chili", ("green", "round"): "pea",
        ("green", "long"): "bean", ("blue", "round"): "plum", ("blue", "long"): "none"}  # fmt: skip


def rows(n: int, holes: float = 0.0) -> list[list[Any]]:
    """The class is that of the two words; the number tells nothing."""
    rng = np.random.default_rng(0)
    found: list[list[Any]] = []
    for i in range(n):
        colour, shape = COLOURS[i % 3], SHAPES[i // 3 % 2]
        hidden = rng.random(2) < holes
        cells = [round(rng.normal(100, 5), 2), "" if hidden[0] else colour,
                 "NA" if hidden[1] else shape]  # fmt: skip
        found.append([*cells, KIND[colour, shape] if i % 4 < 2 else ""])
    return found


def written(path: Path, lines: list[list[Any]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["weight", "colour", "shape", "kind"], *lines])
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("own") / "my.csv", rows(300, 0.1))


@pytest.fixture(scope="module")
def run(source: Path) -> Any:
    """With every metric and baseline of the recipe."""
    given = [f"data.source={source}", "data.label=kind"]
    return run_recipe("table", "smoke", given, out=source.parent / "run", log=lambda line: None)


def test_every_row_of_the_report_has_its_values(run: Any) -> None:
    for row in ("model", "vae"):
        assert np.isfinite(run.results[row]["nll"].value)
    for row in ("model", "vae", "logistic", "self_training", "spreading"):
        assert 0 <= run.results[row]["accuracy"].value <= 1
    # The words tell the class, of which a tenth each are missing.
    assert run.results["logistic"]["accuracy"].value > 0.6
    assert run.recipe.parts["decoder"]["groups"] is None  # the data set's to say
    assert run.recipe.data["categories"] == "auto"


def test_predictions_are_the_same_in_python_and_by_the_command(
    run: Any, source: Path, capsys: Any
) -> None:
    found = Run.load(run.folder).predict(source)
    assert found["colour"][:3] == [row[1] for row in rows(300, 0.1)[:3]]
    assert {*found["predicted"]} <= {*KIND.values()}
    assert main(["predict", str(run.folder), str(source)]) == 0
    assert capsys.readouterr().out == found.csv()
    raw = [row[:3] for row in rows(300, 0.1)]
    for given in (
        raw,
        dict(zip(("weight", "colour", "shape"), zip(*raw, strict=True), strict=True)),
    ):
        again = run.predict(given)
        np.testing.assert_allclose(again["probability"], found["probability"], atol=1e-6)
    assert len(run.encode(source)) == len(run.score(source)) == 300
    assert np.isfinite(run.score(source)["score"]).all()


def test_samples_and_completions_hold_known_words_alone(run: Any, source: Path) -> None:
    drawn = run.sample(200)
    assert isinstance(drawn, Table) and drawn.names == ["weight", "colour", "shape"]
    assert {*drawn["colour"]} == {*COLOURS} and {*drawn["shape"]} == {*SHAPES}
    out = run.folder.parent / "drawn.csv"
    assert main(["sample", str(run.folder), "-n", "30", "--out", str(out)]) == 0
    head, *lines = csv.reader(out.read_text().splitlines())
    assert head == drawn.names and len(lines) == 30
    assert all(a in COLOURS and b in SHAPES and float(w) > 0 for w, a, b in lines)
    assert run.data.new(out).length("test") == 30  # samples are rows of such a table
    done = run.complete(source)
    for (_, colour, shape, _), a, b in zip(
        rows(300, 0.1), done["colour"], done["shape"], strict=True
    ):
        assert a in COLOURS and b in SHAPES
        assert colour in ("", a) and shape in ("NA", b)


def test_a_saved_model_takes_the_words(run: Any, source: Path) -> None:
    model = LatentEBM.from_pretrained(run.folder / "model")
    assert model.decoder.groups == model.encoder.groups == (3, 2)
    raw = [[100.0, "red", "long"], [99.0, None, "round"]]
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    p, q = (
        model.classify(x, generator=g)
        for x, g in zip((raw, run.data.new(raw).x["test"]), generators, strict=True)
    )
    assert torch.equal(p, q) and p.shape == (2, 6)
    with pytest.raises(UsageError, match='row 1: "rde" in the column "colour" .* mean "red"'):
        model.classify([[100.0, "rde", "long"]])


def test_an_unseen_word_ends_the_command_in_one_line(run: Any, capsys: Any) -> None:
    path = written(run.folder.parent / "new.csv", [*rows(3), [5, "purple", "long", ""]])
    assert main(["predict", str(run.folder), str(path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    assert 'new.csv, line 5: "purple" in the column "colour" is no category of the training' in said


def test_a_class_that_words_determine_is_learned(tmp_path: Path) -> None:
    """Chance is a sixth, and the number tells nothing."""
    path = written(tmp_path / "my.csv", rows(600))
    given = [
        f"data.source={path}", "data.label=kind", "training.min_steps=150", "training.lr=2e-2",
        "training.max_steps=150", "evaluation.baselines=[]", "evaluation.metrics=[labels.accuracy]",
    ]  # fmt: skip
    run = run_recipe("table", "smoke", given, out=tmp_path / "run", log=lambda line: None)
    assert run.results["model"]["accuracy"].value > 0.95


def test_an_estimator_takes_a_data_frame_with_words() -> None:
    """Half of the rows have no label, and a tenth of the words is missing."""
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows(300, 0.1), columns=["weight", "colour", "shape", "kind"])
    x = frame[["weight", "colour", "shape"]]
    x = x.assign(shape=x["shape"].replace("NA", None).astype("category"))
    small = {"hidden": [32]}
    options: dict[str, Any] = {
        "adapter_options": {"missing": True}, "decoder_options": small, "encoder_options": small,
        "prior_hidden": (32,), "random_state": 0, "refit_steps": 50, "max_iter": 75,
    }  # fmt: skip
    model = LatentEBMClassifier(**options).fit(x, frame["kind"])
    assert model.n_features_in_ == 3 and list(model.feature_names_in_) == list(x.columns)
    assert model.adapter_.preparation.features[1:] == [
        "colour=blue", "colour=green", "colour=red", "shape=long", "shape=round",
    ]  # fmt: skip
    whole = x[(x["colour"] != "") & x["shape"].notna()]
    truth = [KIND[pair] for pair in zip(whole["colour"], whole["shape"], strict=True)]
    assert model.score(whole, truth) > 0.9
    drawn = model.sample(400, "pea", random_state=0)  # a share of 0.7 is known to 0.023
    assert drawn.dtypes.tolist() == x.dtypes.tolist()
    assert (drawn["colour"] == "green").mean() > 0.6 and (drawn["shape"] == "round").mean() > 0.6
    # In another order, as an array, and with a word that the training did not have.
    np.testing.assert_array_equal(model.predict(x[:9]), model.predict(x)[:9])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(model.predict(x[:9].to_numpy()), model.predict(x[:9]))
    for wrong in (x.assign(colour="rde"), x.assign(colour="rde").to_numpy()):
        with pytest.raises(
            ValueError, match='X, row 0: "rde" in the column "colour" .* mean "red"'
        ):
            model.predict(wrong)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(x[["colour", "weight", "shape"]])


def test_the_estimator_and_the_data_set_make_the_same_x(source: Path) -> None:
    from lebm_tabular.data.adapters import TabularAdapter
    from lebm_tabular.data.dataset import Rows, TabularDataset

    pd = pytest.importorskip("pandas")
    x = pd.read_csv(source)[["weight", "colour", "shape"]]
    adapter = TabularAdapter(missing=True, categories=["shape"])
    table = adapter.numbers(x, fit=True).to_numpy(dtype=np.float64)
    adapter.fit(table)
    data = TabularDataset(
        {"train": Rows(table, None)}, adapter.names, {}, categories=adapter.categories
    )
    assert torch.equal(
        adapter.transform(table).nan_to_num(9), data.new(source).x["test"].nan_to_num(9)
    )
    assert {k: data.sizes[k] for k in adapter.sizes} == adapter.sizes
    back = adapter.inverse_transform(adapter.transform(table).nan_to_num(nan=0.1))
    there = x["colour"].notna().to_numpy()
    assert back[there, 1].tolist() == x["colour"][there].tolist()


@pytest.mark.parametrize(
    ("column", "categories", "said"),
    [
        ([f"id {i}" for i in range(20)], "auto", 'X, row 0: "id 0" in the column "a" is not a nu'),
        ([1, 2, "3O", 4] * 5, "auto", r'row 2: "3O" .*adapter_options={"categories": \["a"\]} tak'),
        (["x", "y"] * 10, "none", 'row 0: "x" in the column "a" is not a num'),
        (["x", "y"] * 10, ["b"], 'categories: X has no column "b" to learn'),
        (["x", "y"] * 10, "all", 'categories = \'all\': use "auto", "none" or'),
        (["x", "y"] * 10, [1], r"categories = \[1\]: use"),
        (["x", None] * 10, "auto", 'Input X contains NaN: with adapter_options={"missing": True}'),
    ],
)  # fmt: skip
def test_what_an_estimator_does_not_take(column: list[Any], categories: Any, said: str) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": column, "n": np.arange(20.0)})
    model = LatentEBMClassifier(max_iter=1, adapter_options={"categories": categories})
    with pytest.raises(ValueError, match=said) as caught:
        model.fit(frame, np.arange(20) % 2)
    assert "\n" not in str(caught.value)


def test_codes_that_are_numbers_come_back_as_such() -> None:
    """In a matrix of numbers a named column is one-hot; samples hold its numbers again."""
    x = np.stack([np.arange(40.0), np.arange(40) % 4 * 10.0], axis=1)
    model = LatentEBMClassifier(
        max_iter=1, random_state=0, refit_steps=1, adapter_options={"categories": ["x1"]}
    ).fit(x, np.arange(40) % 2)
    assert model.adapter_.sizes == {"features": 5, "groups": [4], "missing": False}
    drawn = model.sample(30, random_state=0)
    assert drawn.dtype == np.float64 and {*drawn[:, 1]} <= {0.0, 10.0, 20.0, 30.0}
    assert model.predict(x.tolist()).shape == (40,)
    with pytest.raises(ValueError, match='row 0: "15.0" in the column "x1" is no category'):
        model.predict([[1.0, 15.0]])
