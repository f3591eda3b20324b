"""Numbers are shown with the digits that their errors allow; tables hold every row."""

import doctest
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from PIL import Image

import lebm_core
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import MetricResult
from lebm_core.evaluation.values import Value, column_of, in_row
from lebm_core.run.report import numbers
from lebm_core.run.report.headline import headlines
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.page import page
from lebm_core.run.report.report import _heads, _marked, markdown_table, results_table
from lebm_core.run.report.results import Collected, best_of
from lebm_core.run.report.seeds import over_seeds
from lebm_core.run.report.training_curves import training_curves


def test_examples_in_the_text():
    assert doctest.testmod(numbers).failed == 0


@pytest.mark.parametrize(
    ("value", "error", "shown"),
    [
        (98.3125, 0.4217, "98.31 ± 0.42"),
        (98.3125, 12.0, "98 ± 12"),
        (-101.26, 345.6, "-101 ± 346"),
        (0.0123456, 0.00098, "0.01235 ± 0.00098"),
        (1.0, 0.0996, "1.000 ± 0.100"),
        (3.0, 0.0, "3"),
        (3.0, None, "3"),
        (0.123456, None, "0.1235"),
        (1234.56, None, "1235"),
        (1e-7, None, "1.000e-07"),
        (1e-12, 1e-13, "1e-12 ± 1e-13"),
        (0.02238233, 2.2e-9, "0.0223823"),
        (1234567.0, 1200.0, "1234567 ± 1200"),
        (1e253, 4e251, "1e+253 ± 4e+251"),
        (3.0, 1e253, "3 ± 1e+253"),
        (float("nan"), 1.0, "none"),
        (None, None, "none"),
        (0.0, None, "0"),
    ],
)
def test_digits_follow_the_standard_error(value, error, shown):
    assert format_value(Value(value, error)) == shown


def many(count):
    rows = {row: {f"m{i}": Value(float(i)) for i in range(count)} for row in ("model", "f0")}
    rows["real"] = {"m0": Value(1.0, row="real", row_title="real data")}
    return Collected("r", "cpu", 0, rows, published={"their paper": {"m1": 7.5}})


def test_rows_are_models_and_columns_metrics():
    table = results_table(many(3), format_value)
    assert table[0] == ["", "m0", "m1", "m2"]
    assert [row[0] for row in table[1:]] == ["model", "f0", "real data", "published: their paper"]
    assert table[3] == ["real data", "1", "", ""]
    assert table[4] == ["published: their paper", "", "7.500", ""]


def test_a_row_has_a_title_of_its_own_or_its_registration():
    rows = {row: {"m": Value(1.0)} for row in ("model", "logistic", "neighbours")}
    for row, title in (("aggregate", ""), ("mean", "the mean of the past")):
        named = in_row(row, {"m": Value(1.0)}, title).items()
        rows[row] = {column_of(name, value): value for name, value in named}
    table = results_table(Collected("r", "cpu", 0, rows), format_value)
    assert [row[0] for row in table[1:]] == [
        "model", "logistic regression on x, labels alone", "neighbours", "aggregate posterior",
        "the mean of the past",
    ]  # fmt: skip
    assert table[4] == ["aggregate posterior", "1"]


def seeded(seed, value, refused=None, **more):
    values = {"m": Value(value, 0.5, 10, "test", "A figure.", refused), **more}
    return Collected("r", "cpu", seed, {"model": values}, seconds={"model": 2.0 * seed})


def test_over_seeds_are_means_and_deviations():
    runs = [seeded(1, 1.0), seeded(2, 2.0), seeded(3, 6.0)]
    found = over_seeds(runs)
    value = found.rows["model"]["m"]
    assert value.value == 3.0 and value.standard_error == 7.0**0.5
    assert (value.n, value.split, value.definition) == (10, "test", "A figure.")
    assert found.seconds == {"model": 4.0}
    assert runs[0].rows["model"]["m"].value == 1.0


def test_what_one_seed_lacks_is_refused_and_the_same_seed_twice_is_a_mistake():
    runs = [seeded(1, 1.0, extra=Value(1.0)), seeded(2, None, refused="too few draws")]
    row = over_seeds(runs).rows["model"]
    assert row["m"].value is None and row["m"].refused == "in 1 of 2 runs: too few draws"
    assert row["extra"].refused == "in 1 of 2 runs: it is missing"
    with pytest.raises(UsageError, match="several have the seed 4"):
        over_seeds([seeded(4, 1.0), seeded(5, 1.0), seeded(4, 1.0)])


@pytest.mark.usefixtures("undrawn")
def test_runs_that_differ_in_their_seed_alone_make_one_table(toy, tmp_path):
    for name, seed, more in (("a", 1, []), ("b", 2, []), ("c", 1, ["training.epochs=1"])):
        more = [*more, "evaluation.baselines=[]"]
        lebm_core.run_recipe(toy, "", more, seed=seed, out=tmp_path / name, log=lambda line: None)
    folders = [tmp_path / name for name in "abc"]
    apart, together = markdown_table(folders), markdown_table(folders, seeds=True)
    assert apart.count("**toy**") == 3 and "deviation" not in apart
    assert together.count("**toy**") == 2
    assert "**toy**, mean ± standard deviation of seeds 1, 2: `lebm" in together
    assert together.count("| toy |") == 3  # how each of them was made


def test_a_wide_table_is_turned():
    table = results_table(many(12), format_value)
    assert table[0] == ["", "model", "f0", "real data", "published: their paper"]
    assert len(table) == 13


def test_the_page_escapes_what_it_shows(tmp_path):
    results = Collected("<b>r</b>", "cpu", 0, {"model": {"<i>": Value(1.0, definition="a < b")}})
    text = page(tmp_path, results, {}, [], results_table(results, format_value))
    assert "<b>r</b>" not in text and "<i>" not in text and "a &lt; b" in text


def test_the_page_holds_all_that_it_shows(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").write_bytes(b"\x89PNG not really")
    (tmp_path / "baselines" / "f0").mkdir(parents=True)
    (tmp_path / "samples.csv").write_text("\n".join(f"<{i}>" for i in range(60)))
    (tmp_path / "baselines" / "f0" / "samples.csv").write_text("f0's sample")
    (tmp_path / "recipe.toml").write_text(f"data = '{Path.home() / 'x'}'")
    training = {"model": {"parameters": {"prior": 12, "decoder": 2000}, "warnings": ["low gap"]}}
    training["f0"] = {}
    refused = {"m": Value(None, definition="A figure.", refused="too few draws")}
    results = Collected(
        "r", "", 3, {"model": refused}, training=training, seconds={"model": 5.0}, expected="1"
    )
    figures = [("model", "figures/a.png", "A picture."), ("f0", "figures/a.png", "Of f0.")]
    figures += [("model", "figures/none.png", "Gone.")]
    environment = {"cpu": "a CPU", "cores": 2, "command": "lebm recipe r"}
    text = page(tmp_path, results, environment, figures, results_table(results, format_value))
    assert "http" not in text and text.count("data:image/png;base64,") == 2
    for words in (
        "This run is not complete", "model: low gap", "refused: too few draws", "Expected: 1.",
        "Figures of the baselines", "f0: Of f0.", "f0&#39;s sample", "lebm recipe r", "2,012",
        "a CPU, 2 cores", "&lt;19&gt;", "Recipe, every option", "Time of each part",
    ):  # fmt: skip
        assert words in text, words
    assert "&lt;20&gt;" not in text and "Gone." not in text and str(Path.home()) not in text


def test_curves_are_drawn_of_whatever_parts_there_are(tmp_path, monkeypatch):
    lines = [
        {"step": i, "loss/energy": 1.0, "loss/prior": 2.0, "gradient/energy": 0.1 * i, "kl": None}
        for i in (1, 2, 3)
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda self, text, **kw: titles.append(text))
    drawn = training_curves(tmp_path, tmp_path / "figures")
    assert drawn is not None and drawn.read_bytes()[1:4] == b"PNG"
    assert titles == ["loss [nats]", "loss of the prior", "gradient norm"]
    assert training_curves(tmp_path / "nothing", tmp_path) is None


def test_a_cached_result_is_read_back_and_one_that_is_cut_is_named(tmp_path):
    path = tmp_path / "metric.json"
    MetricResult({"a": Value(1.5, extra={"k": 2})}, [("figures/a.png", "A.")], 0.5).write(path)
    assert MetricResult.read(path).values["a"] == Value(1.5, extra={"k": 2})
    path.write_text(path.read_text()[:-20])
    with pytest.raises(UsageError, match="metric.json is damaged"):
        MetricResult.read(path)
    assert MetricResult.read(tmp_path / "none.json") is None


def test_the_best_of_a_column_is_bold_and_its_head_says_which_way(tmp_path):
    same = [Value(7.0, better="higher") for _ in range(2)]  # neither is the best
    rows = {
        "model": {"error": Value(2.0, better="lower"), "size": Value(9.0), "same": same[0]},
        "f0": {"error": Value(3.0, better="lower"), "size": Value(1.0), "same": same[1]},
        "real": {"error": Value(0.5, better="lower", row="real")},  # no model: it is not the best
    }
    results = Collected("r", "smoke", 0, rows, about={"f0": "The same model without the tilt"})
    best = best_of(results)
    assert best == {id(rows["model"]["error"])}
    marked = results_table(results, partial(_marked, best), _heads(results))
    text = page(tmp_path, results, {}, [], marked)
    assert "<b>2</b>" in text and "<b>3</b>" not in text and "<b>1</b>" not in text
    assert '<span title="">error ↓</span>' in text and '<span title="">size</span>' in text
    assert "<dt>f0</dt><dd>The same model without the tilt.</dd>" in text
    assert "its figures prove nothing" in text


def test_a_report_warns_of_few_steps_and_few_examples(tmp_path):
    rows = {"model": {"accuracy": Value(0.3, 0.1, 18, "test")}}
    short = Collected("r", "", 0, rows, training={"model": {"steps": 5}}, complete=True)
    text = page(tmp_path, short, {}, [], results_table(short, format_value))
    assert "model: 5 steps are too few" in text and "The test split has 18 examples" in text
    rows = {"model": {"accuracy": Value(0.3, 0.1, 1800, "test")}}
    long = Collected("r", "", 0, rows, training={"model": {"steps": 5000}}, complete=True)
    assert "class=warn" not in page(tmp_path, long, {}, [], results_table(long, format_value))


def test_a_report_begins_with_samples_and_what_the_figures_are_held_against(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("chain", "samples", "training"):
        (tmp_path / "figures" / f"{name}.png").write_bytes(name.encode())
    rows = {
        "model": {
            "alone": Value(1.0, better="lower"),
            "error": Value(2.0, 0.1, better="lower", definition="an error"),
        },
        "f0": {"error": Value(3.0, better="lower")},
        "vae": {"error": Value(2.5, better="lower")},
        "real": {"real/error": Value(0.5, better="lower", row="real", row_title="real data")},
    }
    about = {"f0": "No tilt", "vae": "A VAE"}
    results = Collected("r", "", 0, rows, about=about, published={"them": {"error": 1.5}})
    assert [each.metric for each in headlines(results)] == ["error", "alone"]
    assert headlines(results)[0].beside == [
        ("best baseline, vae", "2.500"), ("real data", "0.5000"),
        ("published, them", "1.5"),
    ]  # fmt: skip
    figures = [("model", f"figures/{n}.png", f"{n}!") for n in ("training", "chain", "samples")]
    text = page(tmp_path, results, {}, figures, results_table(results, format_value))
    places = [
        text.index(word) for word in ("samples!", "In short", "Results", "chain!", "training!")
    ]
    assert places == sorted(places)


def test_sentences_come_before_a_picture_of_something_else(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "chain.png").write_bytes(b"chain")
    (tmp_path / "samples.txt").write_text("a sentence\n")
    results = Collected("r", "", 0, {}, training={"model": {}})
    text = page(tmp_path, results, {}, [("model", "figures/chain.png", "chain!")], [[""]])
    assert text.index("a sentence") < text.index("Results") < text.index("chain!")


def test_a_page_of_many_large_pictures_stays_below_3_mb(tmp_path):
    (tmp_path / "figures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2600, 3), dtype=np.uint8)
    for i in range(4):
        Image.fromarray(noise).save(tmp_path / "figures" / f"{i}.png")
    figures = [("model", f"figures/{i}.png", f"picture {i}") for i in range(4)]
    text = page(tmp_path, Collected("r", "", 0, {}), {}, figures, [[""]])
    assert len(text.encode()) < 3_000_000 and "data:image/webp;base64," in text
    shown = [f'alt="picture {i}"' in text for i in range(4)]
    left_out = [f"figures/{i}.png" in text for i in range(4)]
    assert (
        any(shown) and any(left_out) and all(a != b for a, b in zip(shown, left_out, strict=True))
    )
