"""The user's own table: missing values, unknown labels, splits, messages about bad ones."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core.errors import UsageError
from lebm_tabular.data.dataset import Rows, TabularDataset
from lebm_tabular.data.table import table

HEAD = "a,kind,b\n"


def rows(n: int = 40) -> str:
    """Every fourth label is unknown, in one of two ways; every fifth value of b is missing."""
    lines = []
    for i in range(n):
        label = ["", "-1"][i % 8 // 4] if i % 4 == 3 else ["cat", "dog"][i % 2]
        lines.append(f"{i}.5,{label},{['', 'NA', '?'][i % 3] if i % 5 == 0 else 2 * i}")
    return HEAD + "\n".join(lines) + "\n"


def read(folder: Path, text: str, **options: Any) -> TabularDataset:
    path = folder / "mine.csv"
    path.write_text(text)
    return table(files=None, seed=0, **{"source": str(path), "label": "kind", **options})  # type: ignore[arg-type]


def test_a_table_with_holes_and_unknown_labels(tmp_path: Path) -> None:
    data = read(tmp_path, rows(), valid=0.1, test=0.2)
    assert data.columns == ["a", "b"] and data.classes == ["cat", "dog"]
    assert [data.length(s) for s in ("train", "valid", "test")] == [31, 3, 6]  # of 30 labelled
    assert data.sizes == {"features": 2, "missing": True, "n_classes": 2}
    assert int((data.y["train"] == -1).sum()) == 10
    assert all(bool((data.y[s] >= 0).all()) for s in ("valid", "test"))
    for split in ("train", "valid", "test"):
        x, y = data.batch(split, torch.arange(data.length(split)))[:2]
        assert y is not None
        back = x.double().numpy() * data.scale + data.mean
        for (a, b), label in zip(back, y.tolist(), strict=True):
            i = round(a - 0.5)
            assert a == pytest.approx(i + 0.5, abs=1e-4)
            expected = np.nan if i % 5 == 0 else 2 * i
            assert b == pytest.approx(expected, abs=1e-3, nan_ok=True)
            assert label == (-1 if i % 4 == 3 else i % 2)
    filled = data.vectors("train", torch.arange(31))
    assert np.isfinite(filled).all()
    same = read(tmp_path, rows(), valid=0.1, test=0.2)
    assert torch.equal(same.y["test"], data.y["test"])


def test_missing_values_of_unscaled_columns_are_their_means_for_baselines(tmp_path: Path) -> None:
    data = read(tmp_path, rows(), scaling="none", test=0.2)
    x = data.x["train"]
    hole = x[:, 1].isnan()
    filled = data.vectors("train", torch.arange(len(x)))
    np.testing.assert_allclose(filled[hole.numpy(), 1], float(x[~hole, 1].mean()), rtol=1e-5)
    np.testing.assert_array_equal(filled[~hole.numpy()], x[~hole].numpy())


def test_a_table_without_labels(tmp_path: Path) -> None:
    data = read(tmp_path, "a,b\n" + "1,2\n3,4\n" * 10, label="")
    assert data.sizes == {"features": 2, "missing": False}
    assert data.batch("train", torch.arange(3)).y is None


def test_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    text = "kind,a\n" + "".join(f"{c}.0,{c}\n{c},1\n" for c in (10, 2, 1) for _ in range(8))
    assert read(tmp_path, text, test=0.2).classes == ["1", "2", "10"]


def test_arrays_of_an_npz(tmp_path: Path) -> None:
    x = np.arange(80.0).reshape(40, 2)
    x[5, 1] = np.nan
    path = tmp_path / "mine.npz"
    np.savez(path, x=x, kind=np.where(np.arange(40) % 4 == 3, -1, np.arange(40) % 2))
    data = table(files=None, seed=0, source=str(path), label="kind")  # type: ignore[arg-type]
    assert data.classes == ["0", "1"] and data.sizes["missing"]
    assert sum(int((y == -1).sum()) for y in data.y.values()) == 10
    np.savez(tmp_path / "text.npz", x=x, kind=np.array(["cat", ""] * 10 + ["dog", "dog"] * 10))
    data = table(files=None, seed=0, source=str(tmp_path / "text.npz"), label="kind")  # type: ignore[arg-type]
    assert data.classes == ["cat", "dog"]


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (HEAD + "1,cat,2\n3,dog\n", {}, "mine.csv, line 3: 2 of the 3 values that line 1 names"),
        (HEAD + "1,cat,2\n\nx1,dog,2\n", {}, 'line 4: "x1" in the column "a" is not a number'),
        (HEAD + "1,cat,inf\n", {}, 'line 2: the column "b" is infinite'),
        (rows(), {"label": "knd"}, 'no column "knd".*has "a", "kind", "b". Did you mean "kind"'),
        (HEAD + "1,cat,2\n" * 20, {}, 'the column "kind" holds one class, "cat"'),
        (HEAD + "1,,2\n" * 20, {}, 'the column "kind" holds no label: at least two'),
        (HEAD + "1,cat,2\n2,dog,3\n", {}, "has 2 labelled rows, too few"),
        ("a,a,kind\n1,2,cat\n", {}, 'line 1: the column "a" is there twice'),
        ("kind\ncat\ndog\n", {}, "has 0 columns to learn from and 2 rows"),
        ("5.1,3.5,1.4\n4.9,3,1.4\n", {"label": ""}, "are numbers: the first line must name"),
        ("5.1,3.5,1.4,cat\n4.9,3,1.4,dog\n", {}, 'no column "kind".*Its first line must name'),
        ("a\tb\tkind\n1\t2\tcat\n", {}, "line 1: .*has no comma; separate columns by commas"),
        ("a b kind\n1 2 cat\n", {}, 'line 1: "a b kind" has no comma; separate columns by'),
        (HEAD + "1_000,cat,2\n", {}, 'line 2: "1_000" in the column "a" is not a number; data.wi'),
        (HEAD + "1,cat,none\n", {}, 'line 2: "none" in the column "b" is not a number'),
        (HEAD + f"1,cat,{'x' * 400}\n", {}, 'line 2: "x{30}..." .400 characters. in the col'),
        (",kind,b\n7,cat,1\n3,dog,2\n", {}, "line 1: column 1 has no name.*index=False"),
        (rows(), {"without": ["c"]}, 'data.without: .*has no column "c".*has "a", "kind", "b"'),
        (rows(), {"without": ["kind"]}, 'no column "kind" that is no label'),
        ("kind,b\n" + "-1,2\n1,3\n" * 9, {}, 'one class, "1" .-1 means no label.: at least'),
        ("kind,b\n" + "cat,1e300\ndog,-1e300\n" * 20, {}, 'The column "b" has values too large'),
        (rows(), {"valid": float("nan")}, "data.valid = nan and data.test = 0.1 must be above"),
        (rows(), {"test": float("nan")}, "data.valid = 0.1 and data.test = nan must be above"),
        (rows(), {"source": "mine.xlsx"}, "reads .csv and .npz files, not .xlsx: a DataFrame's"),
        (HEAD, {}, "2 columns to learn from and 0 rows"),
        ("", {}, "the file is empty"),
        (rows(), {"valid": 0.6, "test": 0.5}, "data.valid = 0.6 and data.test = 0.5"),
        (rows(), {"scaling": "all"}, 'data.scaling = "all" is unknown; use columns, none'),
        (rows(), {"source": ""}, "needs data.source = FILE.csv"),
        (rows(), {"source": "nowhere.csv"}, 'There is no file "nowhere.csv"'),
        (rows(), {"source": "nowhere.npz"}, 'There is no file "nowhere.npz"'),
    ],
)
def test_what_is_wrong_is_one_sentence(
    text: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        read(tmp_path, text, **options)
    assert "\n" not in str(caught.value)


def test_a_class_that_is_only_judged_is_named_with_its_line(tmp_path: Path) -> None:
    lines = [f"{i},{['cat', 'dog'][i % 2]},{i}" for i in range(20)]
    for place in range(20):  # the split of seed 0 tests one of them
        odd = [*lines[:place], f"{place},newt,1", *lines[place + 1 :]]
        try:
            read(tmp_path, HEAD + "\n".join(odd) + "\n")
        except UsageError as error:
            assert f'mine.csv, line {place + 2}: the label "newt" of the ' in str(error)
            return
    pytest.fail("every row was trained on")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.zeros(20)}, 'has no array "x": it holds y'),
        ({"x": np.zeros((20, 2))}, 'has no array "kind": it holds x'),
        ({"x": np.zeros(20), "kind": np.zeros(20)}, r"numbers of the shape \(rows, columns\)"),
        (
            {"x": np.zeros((20, 2)), "kind": np.zeros(9)},
            r"shape \(9,\): one label for each of the 20",
        ),
        ({"x": np.full((9, 2), np.inf), "kind": np.zeros(9)}, 'row 0 of "x": a value is infinite'),
        (
            {"x": np.zeros((20, 2)), "kind": np.eye(20)[:, :2]},
            r'the array "kind" has the shape \(20, 2\): one label .* by labels.argmax\(1\)',
        ),
        ({"x": np.zeros((20, 2)), "kind": np.array(3)}, r"the shape \(\): one label for each"),
        ({"x": np.array([[None, 1]] * 9), "kind": np.zeros(9)}, '"x", holds Python objects'),
    ],
)
def test_what_is_wrong_with_an_npz(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        table(files=None, seed=0, source=str(tmp_path / "mine.npz"), label="kind")  # type: ignore[arg-type]
    (tmp_path / "mine.npz").write_text("no archive")
    with pytest.raises(UsageError, match="is no .npz file, or is damaged"):
        table(files=None, seed=0, source=str(tmp_path / "mine.npz"))  # type: ignore[arg-type]
    np.save(tmp_path / "mine.npy", np.zeros((9, 2)))
    with pytest.raises(UsageError, match="mine.npy holds a single array .* numpy.savez"):
        table(files=None, seed=0, source=str(tmp_path / "mine.npy"))  # type: ignore[arg-type]


def test_a_constant_column_does_not_explode() -> None:
    splits = {
        "train": Rows(np.full((1001, 1), 0.1), None), "valid": Rows(np.full((1, 1), 0.1), None),
        "test": Rows(np.full((1, 1), 0.2), None),
    }  # fmt: skip
    data = TabularDataset(splits, ["a"], {})
    assert abs(float(data.batch("test", torch.arange(1)).x)) < 1.0


def test_a_class_may_be_called_none(tmp_path: Path) -> None:
    text = HEAD + "".join(f"{i},{['none', 'mild'][i % 2]},{i}\n" for i in range(40))
    assert read(tmp_path, text).classes == ["mild", "none"]


def test_an_unclosed_quote_is_one_sentence(tmp_path: Path) -> None:
    text = HEAD + '1,"cat,2\n' + "1,cat,2\n" * 30_000
    for limit in (131_072, 10**9):  # of a field, for the whole process: others may have raised it
        before = csv.field_size_limit(limit)
        try:
            with pytest.raises(UsageError, match=r"mine.csv, line \d+: .*quote"):
                read(tmp_path, text)
        finally:
            csv.field_size_limit(before)


def test_a_table_of_semicolons_says_what_separates_columns(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 1: .*has no comma; separate columns by commas"):
        read(tmp_path, "a;kind;b\n1;cat;2\n")


def unlabelled(data: TabularDataset) -> int:
    return sum(int((y == -1).sum()) for y in data.y.values())


def test_missing_labels_are_no_class(cases: Path) -> None:
    data = table(files=None, seed=0, source=str(cases / "label_NA.csv"))  # type: ignore[arg-type]
    assert data.classes == ["no", "yes"] and unlabelled(data) == 40
    assert sum(data.length(s) for s in ("train", "valid", "test")) == 120
    assert all(bool((data.y[s] >= 0).all()) for s in ("valid", "test"))


@pytest.mark.parametrize("word", ["NA", "nan", "None", "?", "", "<NA>", "-1", "-1.0", " NaN "])
def test_one_rule_for_labels_and_features(word: str, tmp_path: Path) -> None:
    lines = [f"{i},{word if i % 4 == 3 else ['cat', 'dog'][i % 2]},{i % 7}" for i in range(40)]
    data = read(tmp_path, HEAD + "\n".join(lines) + "\n")
    assert data.classes == ["cat", "dog"] and unlabelled(data) == 10
    if not word.startswith("-1"):  # which is a number
        lines = [f"{i},{['cat', 'dog'][i % 2]},{word if i % 4 == 0 else i}" for i in range(40)]
        data = read(tmp_path, HEAD + "\n".join(lines) + "\n")
        assert sum(int(x[:, 1].isnan().sum()) for x in data.x.values()) == 10


def test_classes_are_by_value(tmp_path: Path) -> None:
    """10, 20, 30 are three; 0, 0.0 and "0" are one; a big id is one."""
    for labels, classes in (
        (["10", "20", "30"], ["10", "20", "30"]),
        (["0", "0.0", "1", "5000000"], ["0", "1", "5000000"]),
        (["-2", "10", "9"], ["-2", "9", "10"]),
    ):
        text = "kind,a\n" + "".join(f"{c},{i}\n" for i in range(20) for c in labels)
        assert read(tmp_path, text).classes == classes
    x = np.arange(120.0).reshape(60, 2)
    for given in (np.arange(60) % 3 * 10.0, (np.arange(60) % 3 * 10)[:, None]):
        np.savez(tmp_path / "mine.npz", x=x, label=np.where(given == 0, np.nan, given))
        data = table(files=None, seed=0, source=str(tmp_path / "mine.npz"))  # type: ignore[arg-type]
        assert data.classes == ["10", "20"] and unlabelled(data) == 20
    np.savez(tmp_path / "mine.npz", x=x, label=np.array([b"cat", b"dog", b"NA"] * 20))
    data = table(files=None, seed=0, source=str(tmp_path / "mine.npz"))  # type: ignore[arg-type]
    assert data.classes == ["cat", "dog"] and unlabelled(data) == 20


@pytest.mark.parametrize("name", ["", "Unnamed: 0", "id"])
def test_a_column_that_counts_the_rows_is_no_feature(name: str, tmp_path: Path) -> None:
    text = f"{name},a,kind,\n" + "".join(f"{i},{i % 7},{i % 2},\n" for i in range(40))
    with pytest.warns(UserWarning, match="the first column, .*, only counts the rows and is left"):
        data = read(tmp_path, text)
    assert data.columns == ["a"] and data.summary["left_out"] == [name or "row numbers"]
    if name == "id":  # which may be one that does not count the rows
        assert read(tmp_path, text.replace("39,4", "41,4")).columns == ["id", "a"]


def test_columns_are_left_out_by_name(tmp_path: Path) -> None:
    text = "who,a,kind,b\n" + "".join(f'"x, y",{i % 7},{i % 2},{i}\n' for i in range(40))
    data = read(tmp_path, text, without=["who", "b"])
    assert data.columns == ["a"] and data.summary["left_out"] == ["who", "b"]


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    text = HEAD + '1,"two\nlines",2\n\n' + "1,cat,2\n1,dog,oops\n"
    with pytest.raises(UsageError, match='line 6: "oops" in the column "b"'):
        read(tmp_path, text)


def test_what_was_saved_and_damaged_is_named(tmp_path: Path) -> None:
    read(tmp_path, rows()).save(tmp_path / "kept")
    file = tmp_path / "kept" / "columns.json"
    good = file.read_text()
    for text in ("", "[1]", "{}", good[:-9], good.replace('"mean": [', '"mean": ["x",')):
        file.write_text(text)
        with pytest.raises(UsageError, match="columns.json is damaged"):
            TabularDataset.load(tmp_path / "kept")
