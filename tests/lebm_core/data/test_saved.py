"""What is kept of a data set beside a model: the name of the user's file, and not its folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lebm_core.data.saved import save_dataset
from lebm_tabular.data.synthetic import EightGaussians


@pytest.mark.parametrize(
    ("source", "kept"),
    [("{folder}/mine.csv", "mine.csv"), ("UCI Protein, split a/b", "UCI Protein, split a/b")],
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
