"""Columns of words: which become categories, what x they make, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core.errors import UsageError
from lebm_core.run.config.recipe import load
from lebm_tabular.data.dataset import TabularDataset
from lebm_tabular.data.table import table

COLOURS = ["red", "green", "blue"]
HEAD = "size,colour,code,kind"


def rows(n: int = 60) -> list[list[str]]:
    """Every sixth colour is missing, in one of two writings."""
    return [
        [f"{i}.5", ["", "NA"][i % 12 // 6] if i % 6 == 5 else COLOURS[i % 3],
         ["7", "7.0", "10"][i % 3], ["no", "yes"][i % 2]]
        for i in range(n)
    ]  # fmt: skip


def written(folder: Path, lines: list[list[str]], head: str = HEAD) -> Path:
    path = folder / "mine.csv"
    path.write_text("\n".join([head, *map(",".join, lines)]) + "\n")
    return path


def read(path: Path, **options: Any) -> TabularDataset:
    return table(files=None, seed=0, source=str(path), label="kind", **options)  # type: ignore[arg-type]


def test_words_are_one_hot_and_a_missing_one_is_missing_in_all(tmp_path: Path) -> None:
    path = written(tmp_path, rows())
    data = read(path)
    assert data.columns == ["size", "colour", "code"]
    assert data.preparation.features == [
        "size",
        "code",
        "colour=blue",
        "colour=green",
        "colour=red",
    ]
    assert data.sizes == {"features": 5, "groups": [3], "missing": True, "n_classes": 2}
    assert data.summary["categories"] == {"colour": 3}
    x = data.new(path).x["test"]
    for i, row in enumerate(rows()):
        group = x[i, 2:]
        if i % 6 == 5:
            assert bool(group.isnan().all())
        else:
            assert group.tolist() == [float(row[1] == word) for word in sorted(COLOURS)]
    assert (data.mean[1], data.scale[1]) == (0, 1)
    train = data.x["train"]
    np.testing.assert_allclose(train[:, :2].mean(0), 0, atol=1e-5)  # scaled: the numbers alone
    np.testing.assert_allclose(train[:, :2].var(0, correction=0), 1, atol=1e-4)
    back = data.raw(x.nan_to_num(nan=0.2))
    assert back["colour"][:3] == COLOURS and back["size"][1] == pytest.approx(1.5)
    # A baseline's vector has the shares of the training in the place of a missing category.
    filled = data.vectors("train", torch.arange(len(train)))
    hole = train[:, 2].isnan()
    shares = train[~hole][:, 2:].mean(0).tolist()
    assert filled[hole.numpy()][:, 2:].tolist() == [pytest.approx(shares)] * int(hole.sum())
    assert sum(shares) == pytest.approx(1)


def test_numbers_are_categories_where_they_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, rows())
    data = read(path, categories=["code"])
    assert data.preparation.categories == [[], ["blue", "green", "red"], ["7", "10"]]  # 7.0 is 7
    x = data.new({"size": [1, 2], "colour": ["red", "blue"], "code": [7.0, "10"]}).x["test"]
    assert x[:, 1:].tolist() == [[0, 0, 1, 1, 0], [1, 0, 0, 0, 1]]
    assert data.raw(x)["code"] == [7, 10]
    np.savez(tmp_path / "mine.npz", x=np.arange(80.0).reshape(40, 2) % 4, kind=np.arange(40) % 2)
    data = read(tmp_path / "mine.npz", categories=["x1"])
    assert data.preparation.categories == [[], ["1", "3"]] and data.sizes["features"] == 3
    assert read(tmp_path / "mine.npz").sizes == {"features": 2, "missing": False, "n_classes": 2}


def test_a_recipe_takes_the_option_in_each_of_its_forms() -> None:
    for given, found in (
        ("auto", "auto"), ("none", "none"), ("[code]", ["code"]), ("[a, b]", ["a", "b"]),
        ('["two words"]', ["two words"]), ("[]", []),
    ):  # fmt: skip
        recipe = load("table", "smoke", [f"data.categories={given}"])
        assert recipe.data["categories"] == found
    for given in ("code", "3", "[3]"):
        with pytest.raises(UsageError, match=r'data.categories.*"auto", "none" or a list of str'):
            load("table", "smoke", [f"data.categories={given}"])


def column(words: list[str], head: str = "size,what,kind") -> tuple[list[list[str]], str]:
    return [[f"{i}.5", word, ["no", "yes"][i % 2]] for i, word in enumerate(words)], head


@pytest.mark.parametrize(
    ("words", "options", "said"),
    [
        (
            [f"remark {i}" for i in range(60)],
            {},
            r'line 2: "remark 0" in the column "what" is not a number; data.without=\[what\] '
            "leaves the column out, whose 60 different values in 60 rows are no categories: each "
            "is to be seen 2 times on average",
        ),
        ([f"remark {i}" for i in range(40)], {}, "whose 40 different values in 40 rows are no"),
        (
            [f"word {i % 51}" for i in range(300)],
            {},
            r"data.categories=\[what\] takes its 51 different values as categories .by itself a "
            "column has at most 50",
        ),
        (  # a typing error among numbers makes no categories of them
            ["3", "4", "5O", *["3", "4"] * 20],
            {},
            r'line 4: "5O" in the column "what" is not a number; data.without=\[what\] leaves the '
            r"column out, data.categories=\[what\] takes its 3 different",
        ),
        (COLOURS * 9, {"categories": "none"}, 'line 2: "red" in the column "what" is not a number'),
        (COLOURS * 9, {"categories": ["wat"]}, 'has no column "wat" to .* Did you mean "what"'),
        (COLOURS * 9, {"categories": ["kind"]}, 'data.categories: .* has no column "kind"'),
        (COLOURS * 9, {"categories": "atuo"}, 'data.categories = "atuo" is unknown; use auto, no'),
        ([str(i) for i in range(1200)], {"categories": ["what"]}, "has 1,200 different values"),
        (["1", "inf"] * 20, {}, 'line 3: the column "what" is infinite'),
    ],
)  # fmt: skip
def test_what_is_no_category_is_one_sentence(
    words: list[str], options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read(written(tmp_path, *column(words)), **options)
    assert "\n" not in str(caught.value)


def test_the_limits_are_as_they_are_stated(tmp_path: Path) -> None:
    for words in (
        [f"word {i % 50}" for i in range(100)],  # 50 words, each twice
        ["only"] * 40,
        ["none", "", "NA", "none", "mild"] * 8,  # "none" is a word, as of labels
        ["S", "M", "38", "L"] * 10,
    ):
        data = read(written(tmp_path, *column(words)))
        known = sorted({*words} - {"", "NA"})
        assert data.preparation.categories[1] == known
        assert data.sizes["groups"] == [len(known)]
    lines, head = column([f"word {i % 51}" for i in range(300)])
    data = read(written(tmp_path, lines, head), categories=["what"])
    assert data.sizes["groups"] == [51]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("4,purple,7", 'new.csv, line 3: "purple" in the column "colour" is no category of the '
                       'training: those are "blue", "green", "red"'),
        ("4,rde,7", 'new.csv, line 3: "rde" .* Did you mean "red"'),
        ("4,red,seven", 'new.csv, line 3: "seven" in the column "code" is not a number'),
        ({"size": [1, 2], "colour": ["red", "gren"], "code": [7, 7]},
         'The table, row 2: "gren" in the column "colour" .* Did you mean "green"'),
        ([[1.0, "reed", 7]], 'The array, row 1: "reed" .* Did you mean "red"'),
        ([[1.0, "red"]], r"has the shape \(1, 2\); use \(N, 3\)"),
    ],
)  # fmt: skip
def test_an_unseen_category_is_named_with_its_line(source: Any, said: str, tmp_path: Path) -> None:
    data = read(written(tmp_path, rows()))
    if isinstance(source, str):
        path = tmp_path / "new.csv"
        path.write_text(f"size,colour,code\n3, red ,7\n{source}\n")
        source = path
    with pytest.raises(UsageError, match=said) as caught:
        data.new(source)
    assert "\n" not in str(caught.value)


def test_a_hole_that_the_training_did_not_have(tmp_path: Path) -> None:
    data = read(written(tmp_path, [row for row in rows() if row[1] not in ("", "NA")]))
    assert not data.sizes["missing"]
    with pytest.raises(UsageError, match='The table, row 2: there is no value in the column "col'):
        data.new({"size": [1, 2], "colour": ["red", None], "code": [7, 7]})


def test_samples_are_written_as_words(tmp_path: Path) -> None:
    lines = [[row[0], '"dark, red"' if row[1] == "red" else row[1], *row[2:]] for row in rows()]
    data = read(written(tmp_path, lines))
    file = data.write(data.new(tmp_path / "mine.csv").x["test"][:2], tmp_path / "samples")
    head, first, second = file.read_text().split("\n")[:3]
    assert head == "size,colour,code"
    assert first.endswith(',"dark, red",7') and second.endswith(",green,7")
    assert data.new(file).length("test") == 2


def test_what_was_saved_comes_back_and_damage_is_named(tmp_path: Path) -> None:
    data = read(written(tmp_path, rows()))
    data.save(tmp_path / "kept")
    again = TabularDataset.load(tmp_path / "kept")
    assert again.sizes == data.sizes and again.preparation.state == data.preparation.state
    new = tmp_path / "mine.csv"
    assert torch.equal(
        again.new(new).x["test"].nan_to_num(9), data.new(new).x["test"].nan_to_num(9)
    )
    file = tmp_path / "kept" / "columns.json"
    good = json.loads(file.read_text())
    for key, wrong in (
        ("categories", None), ("categories", {}), ("categories", [[], ["red"]]),
        ("categories", [[], ["red", "red", "blue"], []]), ("categories", [[], [1, 2, 3], []]),
        ("categories", [[], "red", []]), ("categories", [[], ["blue", "red"], []]),
        ("columns", ["size", "size", "code"]), ("columns", "abc"), ("scaling", "rows"),
        ("mean", [0.0, 0.0]), ("scale", [1.0, 0.0, 1.0]), ("scale", [1.0, "x", 1.0]),
        ("classes", "no"), ("sizes", {**good["sizes"], "groups": [4]}), ("sizes", []),
    ):  # fmt: skip
        file.write_text(json.dumps({**good, key: wrong}))
        with pytest.raises(UsageError, match="columns.json is damaged"):
            TabularDataset.load(tmp_path / "kept")
    with pytest.raises(UsageError, match=r"x has the shape \(2, 4\), and these columns make"):
        data.raw(torch.zeros(2, 4))
