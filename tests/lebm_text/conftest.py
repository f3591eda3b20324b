"""Small text files and a small trained-nowhere model that the tests of the text plugin share."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

WORDS = "the a cat dog bird sees hears likes small big red old quickly now".split()


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture
def sentences() -> list[str]:
    """200 different sentences of 2 to 11 words, the same at every run."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=2 + i % 10)) + f" {i}" for i in range(200)]


@pytest.fixture
def text_file(tmp_path: Path, sentences: list[str]) -> Path:
    path = tmp_path / "my.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    return path
