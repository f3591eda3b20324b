"""Public tables: each read from a small file of the real layout, and messages about bad ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_tabular.data.dataset import TabularDataset
from lebm_tabular.data.options import RowOptions
from lebm_tabular.data.sources import hepmass, miniboone, protein


def in_units(data: TabularDataset, split: str) -> np.ndarray:
    x = data.batch(split, torch.arange(data.length(split))).x
    return x.double().numpy() * data.scale + data.mean


def test_protein_by_a_published_split(tmp_path: Path, layouts: Any) -> None:
    table = layouts.protein(tmp_path)
    data = protein(files=DataFiles(tmp_path), seed=0, split=3, valid=30)
    assert [data.length(s) for s in ("train", "valid", "test")] == [150, 30, 20]
    np.testing.assert_allclose(in_units(data, "test"), table[3::10, :9], rtol=1e-4)
    assert data.sizes == {"features": 9, "missing": False, "n_classes": 10}
    # Bins of equal shares of the rows that are not tested.
    known = np.setdiff1d(np.arange(200), np.arange(3, 200, 10))
    y = torch.cat([data.y["train"], data.y["valid"]])
    assert torch.bincount(y).tolist() == [18] * 10
    lowest = np.sort(table[known, 9])[17]
    np.testing.assert_array_equal(data.y["test"].numpy() == 0, table[3::10, 9] <= lowest)
    mean = data.x["train"].double().mean(0)
    torch.testing.assert_close(mean, torch.zeros(9, dtype=torch.float64), atol=1e-5, rtol=0)
    other = protein(files=DataFiles(tmp_path), seed=1, split=3, valid=30)
    assert torch.equal(other.y["test"], data.y["test"])
    assert not torch.equal(other.y["valid"], data.y["valid"])
    assert protein(files=DataFiles(tmp_path), seed=0, valid=30, classes=4).sizes["n_classes"] == 4


@pytest.mark.skipif(
    not (Path(os.environ.get("LEBM_DATA", "")) / "uci_protein").is_dir(),
    reason="$LEBM_DATA has no uci_protein",
)
def test_the_real_protein() -> None:
    data = protein(files=DataFiles(), seed=0)
    assert [data.length(s) for s in ("train", "valid", "test")] == [37_157, 4_000, 4_573]
    counts = torch.bincount(torch.cat([data.y["train"], data.y["valid"]]))
    assert int(counts.min()) > 4_100 and int(counts.max()) < 4_130


@pytest.mark.parametrize(("kind", "end"), [("all", ""), ("1000", ","), ("1000", "")])
def test_hepmass_in_its_forms(tmp_path: Path, kind: str, end: str, layouts: Any) -> None:
    table = layouts.hepmass(tmp_path, kind, end=end)
    data = hepmass(files=DataFiles(tmp_path), seed=0, options=RowOptions(40, 15, 20))
    assert [data.length(s) for s in ("train", "valid", "test")] == [40, 15, 20]
    np.testing.assert_allclose(in_units(data, "test"), table[:20, :27], atol=1e-4)
    assert data.y["test"].tolist() == [0, 1] * 10 and data.classes == ["background", "signal"]
    with pytest.raises(UsageError, match="has 60 rows, not 115: lower data.train_rows"):
        hepmass(files=DataFiles(tmp_path), seed=0, options=RowOptions(100, 15, 20))


def test_miniboone_without_its_unmeasured_rows(tmp_path: Path, layouts: Any) -> None:
    table = layouts.miniboone(tmp_path)
    data = miniboone(files=DataFiles(tmp_path), seed=0, options=RowOptions(40, 19, 20))
    assert data.summary["dropped"] == 1
    found = np.concatenate([in_units(data, s) for s in ("train", "valid", "test")])
    y = torch.cat([data.y[s] for s in ("train", "valid", "test")])
    assert found.shape == (79, 50) and int(y.sum()) == 29 and found.min() > -900
    for row, label in zip(found, y.tolist(), strict=True):
        place = int(np.abs(table - row).sum(1).argmin())
        assert label == (place < 30)


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (protein, r"tabular.protein needs the file uci_protein/data.txt"),
        (hepmass, r"tabular.hepmass needs the file hepmass/all_train.csv or hepmass/1000_train"),
        (miniboone, r"tabular.miniboone needs the file miniboone/MiniBooNE_PID.txt"),
    ],
)
def test_a_file_that_is_missing_is_named(
    make: Any, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEBM_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(UsageError, match=named):
        make(files=DataFiles(tmp_path), seed=0)


def test_a_bad_file_is_named_with_its_line(tmp_path: Path, layouts: Any) -> None:
    files = DataFiles(tmp_path)
    layouts.protein(tmp_path)
    path = tmp_path / "uci_protein" / "data.txt.gz"
    for bad, said in (
        ("1 2 3", r"data.txt.gz, line 2: 3 values, not 10"),
        ("1 2 3 4 5 6 7 8 9 ten", r'line 2: "ten" is not a finite number'),
        ("1 2 3 4 5 6 7 8 9 nan", r'line 2: "nan" is not a finite number'),
    ):
        layouts.write(path, "1 2 3 4 5 6 7 8 9 10\n" + bad + "\n")
        with pytest.raises(UsageError, match=said):
            protein(files=files, seed=0)
    layouts.protein(tmp_path)
    for options, said in (
        ({"split": 7}, 'has no data.split = 7; it has "0, 1, 2, 3, 4"'),
        ({"classes": 1}, "data.classes = 1 is too small; use at least 2"),
        ({"valid": 0}, "data.valid = 0 must be from 1 to 179"),
        (
            {"scaling": "colums", "valid": 9},
            'data.scaling = "colums" is unknown.*Did you mean "columns"',
        ),
    ):
        with pytest.raises(UsageError, match=said):
            protein(files=files, seed=0, **options)  # type: ignore[arg-type]
    for indices, said in (
        ("{", "json.gz is not JSON"),
        ('{"tests": {}}', 'does not hold the row numbers of "test"'),
        ('{"test": {"0": 5}}', 'split 0: a list of row numbers is needed, not "5"'),
        ('{"test": {"0": [200]}}', '"200" is no row number from 0 to 199'),
        ('{"test": {"0": [-1]}}', '"-1" is no row number'),  # in Python the last one
        ('{"test": {"0": [3, true]}}', '"True" is no row number'),  # in Python the second one
        ('{"test": {"0": [3, 4, 3]}}', "the row 3 is there 2 times"),
        ('{"test": {"0": [3]}, "test": {"0": [4]}}', 'has the key "test" twice'),
    ):
        layouts.write(tmp_path / "uci_protein" / "test_indices.json.gz", indices)
        with pytest.raises(UsageError, match=said):
            protein(files=files, seed=0)
    layouts.hepmass(tmp_path)
    layouts.write(tmp_path / "hepmass" / "all_test.csv.gz", "2.0," + ",".join(["1"] * 28) + "\n")
    with pytest.raises(UsageError, match="row 1: the label 2 is neither 0 nor 1"):
        hepmass(files=files, seed=0, options=RowOptions(20, 5, 1))
    boone = tmp_path / "miniboone" / "MiniBooNE_PID.txt"
    layouts.write(boone, "1.0 2.0\n" + " ".join(["1"] * 50) + "\n")
    with pytest.raises(UsageError, match="line 1: .* is not the two counts"):
        miniboone(files=files, seed=0)
    layouts.write(boone, "1 2\n" + " ".join(["1"] * 50) + "\n")
    with pytest.raises(UsageError, match="has 1 rows, and its first line promises 1 . 2"):
        miniboone(files=files, seed=0)
    layouts.miniboone(tmp_path)
    with pytest.raises(UsageError, match="data.valid = 0 is too small; use at least 1"):
        miniboone(files=files, seed=0, options=RowOptions(valid=0))
    with pytest.raises(UsageError, match="has 79 rows, not 90000"):
        miniboone(files=files, seed=0)


def test_a_data_set_comes_back_and_writes_in_its_own_units(tmp_path: Path, layouts: Any) -> None:
    table = layouts.protein(tmp_path)
    data = protein(files=DataFiles(tmp_path), seed=0, valid=30)
    data.save(tmp_path / "saved")
    again = TabularDataset.load(tmp_path / "saved")
    assert again.sizes == data.sizes and again.length("train") == 0
    file = again.write(data.batch("test", torch.arange(5)).x, tmp_path / "samples")
    assert file.name == "samples.csv"
    written = np.loadtxt(file, delimiter=",", skiprows=1)
    np.testing.assert_allclose(written, table[0:50:10, :9], rtol=1e-4)
    with pytest.raises(UsageError, match='no split "dev"'):
        again.length("dev")
