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
        (rows(), {"label": "knd"}, 'no column "knd".*it has a, kind, b. Did you mean "kind"'),
        (HEAD + "1,cat,2\n" * 20, {}, 'the column "kind" holds one class, cat'),
        (HEAD + "1,,2\n" * 20, {}, "has 0 labelled rows, too few"),
        (HEAD + "1,cat,2\n2,dog,3\n", {}, "has 2 labelled rows, too few"),
        ("a,a,kind\n1,2,cat\n", {}, 'line 1: the column "a" is there twice'),
        ("kind\ncat\n", {}, "has 0 columns of numbers"),
        (HEAD, {}, "2 columns of numbers and 0 rows"),
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
        ({"y": np.zeros(20)}, 'has no array "x": it has y'),
        ({"x": np.zeros((20, 2))}, 'has no array "kind": it has x'),
        ({"x": np.zeros(20), "kind": np.zeros(20)}, r"numbers of the shape \(rows, columns\)"),
        ({"x": np.zeros((20, 2)), "kind": np.zeros(9)}, r'"x" has 20 rows, and "kind" the shape'),
        ({"x": np.full((9, 2), np.inf), "kind": np.zeros(9)}, 'row 0 of "x": a value is infinite'),
    ],
)
def test_what_is_wrong_with_an_npz(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        table(files=None, seed=0, source=str(tmp_path / "mine.npz"), label="kind")  # type: ignore[arg-type]
    (tmp_path / "mine.npz").write_text("no archive")
    with pytest.raises(UsageError, match="cannot be read as .npz"):
        table(files=None, seed=0, source=str(tmp_path / "mine.npz"))  # type: ignore[arg-type]


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
