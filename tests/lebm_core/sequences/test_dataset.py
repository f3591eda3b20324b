"""Sequences of token ids as a data set, with classes or without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pytest
import torch

from lebm_core.errors import UsageError
from lebm_core.sequences.dataset import TokenDataset, pad, rows_of
from lebm_core.sequences.tokens import EOS, PAD


class Letters:
    """a, b, ... as 4, 5, ..."""

    def __len__(self) -> int:
        return 30

    def encode(self, text: str) -> list[int]:
        return [ord(c) - 93 for c in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(i + 93) for i in ids if i > 3)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "letters"}


class Words(TokenDataset):
    @classmethod
    def load(cls, folder: Path) -> Self:
        saved = cls.saved(folder)
        return cls(Letters(), {}, saved["summary"], saved["max_length"], classes=saved["classes"])


ROWS = {"train": [[4], [5, 6, 7], [8, 9]], "test": [[4, 4]]}
Y = {"train": [1, -1, 0], "test": [1]}


def test_a_class_goes_with_its_sequence() -> None:
    data = Words(Letters(), ROWS, {}, labels=Y, classes=["no", "yes"])
    batch = data.batch("train", torch.tensor([2, 1]))
    assert batch.x.tolist() == [[8, 9, EOS, PAD], [5, 6, 7, EOS]]
    assert batch.y is not None and batch.y.tolist() == [0, -1]
    assert data.sizes["n_classes"] == 2 and data.sizes["max_length"] == 4
    plain = Words(Letters(), ROWS, {})
    assert plain.batch("train", torch.tensor([0])).y is None and "n_classes" not in plain.sizes
    assert plain.vectors("train", torch.tensor([0])) is None


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    data = Words(Letters(), ROWS, {"n": 3}, labels=Y, classes=["no", "yes"])
    data.save(tmp_path)
    again = Words.load(tmp_path)
    assert (again.sizes, again.classes, again.summary) == (data.sizes, data.classes, data.summary)
    file = tmp_path / "tokens.json"
    saved = json.loads(file.read_text(encoding="utf-8"))
    del saved["classes"]  # as in a model saved before there were any
    file.write_text(json.dumps(saved), encoding="utf-8")
    assert Words.load(tmp_path).classes == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no JSON object"),
        ("{}", "its tokenizer is not as it was"),
        ('{"tokenizer": {}, "max_length": 0}', "its max_length is not"),
        ('{"tokenizer": {}, "max_length": 3, "classes": [1]}', "its classes is not"),
        ('{"tokenizer": {}, "max_length": 3, "summary": []}', "its summary is not"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UsageError, match="tokens.json is missing"):
        Words.load(tmp_path)
    (tmp_path / "tokens.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=f"tokens.json is damaged: .*{said}"):
        Words.load(tmp_path)


def test_rows_end_with_their_end() -> None:
    x = pad([torch.tensor(row) for row in ([5, EOS], [5, 6, 7, 8], [PAD, PAD])])
    assert [row.tolist() for row in rows_of(x)] == [[5, EOS], [5, 6, 7, 8], [EOS]]
