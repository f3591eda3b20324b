"""The toy plugin, registered as an installed one would be."""

import importlib.metadata
import os
import sys
from pathlib import Path

import pytest
import torch

import lebm_core.registry.registry

TOY = Path(__file__).parent / "toy"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """The path of the toy recipe; the toy plugin is registered."""
    monkeypatch.syspath_prepend(str(TOY))
    point = importlib.metadata.EntryPoint("toy", "lebm_toy", "lebm")
    found = lebm_core.registry.registry.Registry([point])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)
    import lebm_toy

    path = tmp_path / "toy.toml"
    path.write_text(lebm_toy.RECIPE)
    return path


@pytest.fixture
def toy_environment():
    """The environment of a process that imports the toy plugin and this checkout."""
    root = str(Path(lebm_core.registry.registry.__file__).parents[1])
    path = os.pathsep.join([str(TOY), root, *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
