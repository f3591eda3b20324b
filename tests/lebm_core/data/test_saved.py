"""What is kept of a data set beside a model: the name of the user's file, and not its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lebm_core.data.files import DataFiles
from lebm_core.data.saved import save_dataset
from lebm_core.registry.parts import arguments
from lebm_core.registry.registry import registry
from lebm_tabular.data.synthetic import EightGaussians


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("{folder}/mine.csv", "mine.csv"),
        ("UCI Protein, split a/b", "UCI Protein, split a/b"),
        ("~nobody is told of this, " + 300 * "long ", "~nobody is told of this, " + 300 * "long "),
    ],
)
def test_the_folder_of_an_own_file_is_not_told(tmp_path: Path, source: str, kept: str) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    data = EightGaussians({"train": 5}, 0)
    data.name = "tabular.8gaussians"
    data.summary["source"] = source.format(folder=tmp_path)
    save_dataset(data, tmp_path / "run")
    described = (tmp_path / "run" / "data.json").read_text()
    assert json.loads(described)["summary"]["source"] == kept
    assert str(tmp_path) not in described


@pytest.mark.parametrize("name", ["text.file", "molecules.file", "tabular.file"])
def test_no_file_of_a_saved_data_set_tells_a_folder(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "private" / "mine.csv"
    mine.parent.mkdir()
    rows = [f"{'C' * (i % 7 + 1)}{'O' * (i % 5)},{i}" for i in range(60)]
    mine.write_text("\n".join(["smiles,n", *rows]) + "\n")
    table = {"text.file": {"field": "smiles"}, "tabular.file": {"label": "", "without": ["smiles"]}}
    asked = {"source": str(mine), **table.get(name, {})}
    factory = registry().get("datasets", name)
    data = factory(**arguments(factory, asked, {"files": DataFiles(), "seed": 0}, "data"))
    data.name = name
    save_dataset(data, tmp_path / "run")
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert any("mine.csv" in path.read_text() for path in files)
    assert not any("private" in path.read_text() for path in files)
