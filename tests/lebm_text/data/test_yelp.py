"""Yelp, cut from the two parts that are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_text.data.labelled.yelp import yelp_shen

CLASSES = ("negative", "positive")


def yelp_files(folder):
    """30 sentences a class and part; half of the test part's are in the dev part too."""
    (folder / "yelp_shen2017").mkdir()
    for label, word in enumerate(("bad", "good")):
        for part, first in (("dev", 0), ("test", 15)):
            lines = [f"{' '.join(f'{i:06b}')} is {word}\n" for i in range(first, first + 30)]
            name = f"sentiment.{part}.{label}"
            (folder / "yelp_shen2017" / name).write_text("".join(lines))
    return DataFiles(folder)


def sentences_of(data, split):
    return data.strings(data.batch(split, torch.arange(data.length(split))).x)


def test_the_two_parts_of_yelp_are_cut_so_that_no_sentence_is_in_two_splits(build, tmp_path):
    data = build(yelp_shen, yelp_files(tmp_path), min_count=1)
    assert data.classes == list(CLASSES) and data.length("train") == 30
    assert data.length("valid") + data.length("test") == 60
    assert min(data.length("valid"), data.length("test")) > 15
    rows = {split: set(sentences_of(data, split)) for split in SPLITS}
    assert len(rows["train"] | rows["valid"] | rows["test"]) == 90  # none is in two of them
    assert data.summary["training sentences left out"]["together"] == 30
    assert "not the published one" in data.summary["splits"]
    for split in SPLITS:
        text, y = sentences_of(data, split), data.labels[split].tolist()
        assert all(s.endswith(("bad", "good")[c]) for s, c in zip(text, y, strict=True))
    few = build(yelp_shen, DataFiles(tmp_path), train_lines=12)
    assert 0 < int(few.labels["train"].sum()) < 12  # the first lines are of both classes


@pytest.mark.slow
def test_yelp_itself(build):
    if not (Path(os.environ.get("LEBM_DATA", "")) / "yelp_shen2017").is_dir():
        pytest.skip("LEBM_DATA has no yelp_shen2017")
    data = build(yelp_shen, DataFiles())
    assert [data.length(split) for split in SPLITS] == [113_320, 31_784, 31_699]
    assert len(data.tokenizer) == 8420 and data.max_length == 16
    assert data.labels["train"].double().mean() == pytest.approx(0.5868, abs=1e-4)
    rows = {s: {tuple(r.tolist()) for r in data.rows(s)} for s in SPLITS}
    whole = {row for row in rows["test"] if 3 not in row}
    assert not whole & rows["train"] and not whole & rows["valid"]
