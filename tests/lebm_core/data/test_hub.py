"""Folders that the `datasets` library saved: what is in them, and which file is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lebm_core.data.hub import hub_splits
from lebm_core.errors import UsageError

datasets = pytest.importorskip("datasets")
WORDS = [f"word {i}" for i in range(20)]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    every = datasets.Dataset.from_dict({"text": WORDS, "n": list(range(20))})
    both = datasets.DatasetDict({"train": every, "dev": every.select(range(4))})
    both.save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def changed(file: Path, **values: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_splits_are_read_whatever_their_format(saved: Path) -> None:
    changed(saved / "train" / "state.json", _format_type="numpy", _format_columns=["n"])
    found = hub_splits(str(saved), "", "text")
    assert list(found) == ["train", "valid"]
    assert found["train"]["text"][:] == WORDS and found["valid"]["n"][:] == [0, 1, 2, 3]
    assert type(found["train"][0]["n"]) is int


def test_shards_are_read_in_their_order(tmp_path: Path) -> None:
    every = datasets.Dataset.from_dict({"text": WORDS})
    every.save_to_disk(tmp_path / "saved", num_shards=3)
    assert hub_splits(str(tmp_path / "saved"), "", "text")["train"]["text"][:] == WORDS


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        ("dataset_dict.json", {"splits": 3}, "dataset_dict.json is damaged: it names no splits"),
        ("dataset_dict.json", {"splits": ["../saved"]}, "dataset_dict.json is damaged"),
        ("dataset_dict.json", {"splits": ["dev"]}, 'has no split "train"'),
        ("train/state.json", {"_data_files": []}, "state.json is damaged: it names no files"),
        ("train/state.json", {"_data_files": ["a"]}, "state.json is damaged"),
        ("train/dataset_info.json", {"features": 3}, "dataset_info.json is damaged"),
        ("train/dataset_info.json", {"features": {"text": {"dtype": "int8", "_type": "Value"}}},
         "arrow"),
    ],
)  # fmt: skip
def test_the_damaged_file_is_named(
    saved: Path, file: str, values: dict[str, Any], said: str
) -> None:
    changed(saved / file, **values)
    with pytest.raises(UsageError, match=said):
        hub_splits(str(saved), "", "text")


def test_offsets_that_lead_outside_are_refused(saved: Path) -> None:
    """Arrow would read whatever memory is there."""
    (file,) = (saved / "train").glob("*.arrow")
    content = file.read_bytes()
    offset = (len("word 0") * 3).to_bytes(4, "little")  # of the fourth string
    assert content.count(offset + (24).to_bytes(4, "little")) == 1
    file.write_bytes(content.replace(offset, (2**30).to_bytes(4, "little")))
    with pytest.raises(UsageError, match=f'{file.name}" is damaged: datasets cannot read it'):
        hub_splits(str(saved), "", "text")
