"""Small text files that the tests of the text plugin share."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lebm_core.data.files import DataFiles
from lebm_core.registry.parts import arguments

WORDS = "the a cat dog bird sees hears likes small big red old quickly now".split()


@pytest.fixture(autouse=True)
def one_thread():
    torch.manual_seed(0)
    torch.set_num_threads(1)


def built(factory: Callable[..., Any], files: DataFiles | None = None, **keys: Any) -> Any:
    """The data set of a factory, from keys of a recipe's [data] table."""
    table = {"files": files or DataFiles(None), "seed": 0, **keys}
    return factory(**arguments(factory, table, {}, factory.__name__))


@pytest.fixture(scope="session")
def build() -> Callable[..., Any]:
    return built


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """200 different sentences of 2 to 11 words, the same at every run."""
    draw = random.Random(0)
    return [" ".join(draw.choices(WORDS, k=2 + i % 10)) + f" {i}" for i in range(200)]


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory, sentences: list[str]) -> Path:
    path = tmp_path_factory.mktemp("text") / "my.txt"
    path.write_text("\n".join(sentences) + "\n", encoding="utf-8")
    return path
