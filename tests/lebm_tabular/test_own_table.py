"""From a table of one's own to predictions: the recipe, the command, and Python agree."""

import csv

import numpy as np
import pytest
import torch

from lebm_core import LatentEBM, Run, run_recipe
from lebm_core.base.table import Table
from lebm_core.errors import UsageError
from lebm_core.run.cli import main

TINY = ["evaluation.metrics=[]", "evaluation.baselines=[]", "training.max_steps=3"]


def written(path, rows, names=("a", "b", "c", "kind")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """200 rows in units far from 0 and 1, a tenth of the values missing, half without a class."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(200):
        x = rng.normal([100 + 20 * (i % 2), -3, 0.01], [5, 1, 0.002]).round(5).tolist()
        if i % 10 == 0:
            x[1] = "NA"
        rows.append([*x, ["yes", "no"][i % 2] if i % 4 < 2 else ""])
    return written(tmp_path_factory.mktemp("own") / "my.csv", rows)


@pytest.fixture(scope="module")
def run(table):
    given = [f"data.source={table}", "data.label=kind", *TINY]
    return run_recipe("table", "smoke", given, out=table.parent / "run", log=lambda line: None)


def test_predictions_are_the_same_in_python_and_by_the_command(run, table, capsys):
    found = Run.load(run.folder).predict(table)
    assert found.names == ["a", "b", "c", "kind", "predicted", "probability", "p(no)", "p(yes)"]
    assert len(found) == 200 and found["kind"][2] == "" and found["b"][0] == "NA"
    assert all(abs(p + q - 1) < 1e-5 for p, q in zip(found["p(no)"], found["p(yes)"], strict=True))
    assert {"no", "yes"} >= set(found["predicted"])
    assert main(["predict", str(run.folder), str(table)]) == 0
    assert capsys.readouterr().out == found.csv()
    out = run.folder.parent / "answers.csv"
    assert main(["predict", str(run.folder), str(table), "--out", str(out)]) == 0
    assert out.read_text() == found.csv()


def test_a_run_tells_the_classes_of_the_rows_without_one(run, table):
    """Half of the rows have no label: the run's folder says which class they are likely of."""
    assert (run.folder / "predictions.csv").read_text() == Run.load(run.folder).predict(table).csv()


def test_new_rows_are_prepared_as_those_of_the_training(run, table):
    from lebm_core.data.files import DataFiles
    from lebm_tabular.data.table import table as build

    shares = {"valid": 0.0, "test": 0.0}  # as the recipe has them: chosen from the number of rows
    built = build(
        files=DataFiles(), seed=run.recipe.seed, source=str(table), label="kind", **shares
    )
    prepared = run.data.new(table).x["test"]
    rows = {tuple(row.nan_to_num(nan=9.0).tolist()) for row in prepared}
    for split in ("train", "valid", "test"):
        assert all(tuple(row.nan_to_num(nan=9.0).tolist()) in rows for row in built.x[split])
    columns = {"c": [0.01, 0.012], "kind": ["", ""], "a": [100, "?"], "b": [-3.0, -2]}
    x = run.data.new(columns).x["test"]  # in another order
    same = run.data.new([[100, -3, 0.01], [np.nan, -2, 0.012]]).x["test"]
    assert torch.equal(x.nan_to_num(nan=9.0), same.nan_to_num(nan=9.0)) and x[1, 0].isnan()


def test_codes_scores_and_completions(run, table):
    codes = run.encode(table)
    assert codes.names[-2:] == ["z9", "z10"] and len(codes) == 200
    scores = run.score(table)
    assert scores.names[-4:] == ["score", "reconstruction", "tilt", "reference"]
    total, *parts = (np.array(scores[name]) for name in scores.names[-4:])
    np.testing.assert_allclose(total, np.sum(parts, axis=0), rtol=1e-4)
    done = run.complete(table)
    assert done.names == ["a", "b", "c"]
    given = run.data.new(table).known
    known = [i for i, value in enumerate(given["b"]) if value != "NA"]
    assert [done["b"][i] for i in known] == [float(given["b"][i]) for i in known]
    filled = [done["b"][i] for i, value in enumerate(given["b"]) if value == "NA"]
    assert len(filled) == 20 and all(-8 < value < 2 for value in filled)


def test_samples_are_in_the_units_of_the_file(run):
    drawn = run.sample(50, y="yes")
    assert isinstance(drawn, Table) and drawn.names == ["a", "b", "c"] and len(drawn) == 50
    assert 60 < np.mean(drawn["a"]) < 160 and abs(np.mean(drawn["c"])) < 0.1
    assert run.sample(3)["a"] == run.sample(3)["a"] != run.sample(3, seed=1)["a"]


def test_a_saved_model_takes_the_table_as_it_is(run, table):
    model = LatentEBM.from_pretrained(run.folder / "model")
    assert model.data.columns == ["a", "b", "c"]
    generators = (torch.Generator().manual_seed(0) for _ in range(2))
    raw, prepared = (
        model.classify(x, generator=g)
        for x, g in zip((table, run.data.new(table).x["test"]), generators, strict=True)
    )
    assert torch.equal(raw, prepared) and raw.shape == (200, 2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a": [1], "bb": [2], "c": [3]}, 'no column "b", which the model was trained on; it has'),
        ([[1.0, 2.0]], r"has the shape \(1, 2\); use \(N, 3\)"),
        ({"a": ["tall"], "b": [2], "c": [3]}, 'row 1: "tall" in the column "a" is not a number'),
        ("missing.csv", "There is no file"),
    ],
)
def test_what_is_no_such_table_is_refused(run, source, message):
    with pytest.raises(UsageError, match=message):
        run.predict(source)


def test_a_table_without_classes_is_learned_and_not_classified(table, capsys):
    from lebm_tabular.data.table import read_csv

    rows = read_csv(table, "kind", ()).x.tolist()
    plain = written(table.parent / "plain.csv", rows, "abc")
    given = [f"data.source={plain}", *TINY]
    run = run_recipe("table", "smoke", given, out=table.parent / "r2", log=lambda line: None)
    assert run.recipe.parts["prior"]["name"] == "ebm"
    assert len(run.encode(plain)) == 200
    assert main(["predict", str(run.folder), str(plain)]) == 2
    assert "has no classes" in capsys.readouterr().err
