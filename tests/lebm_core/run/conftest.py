"""The toy plugin, registered as an installed one would be."""

import dataclasses
import importlib.metadata
import os
import shutil
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
def undrawn(monkeypatch):
    """Figures are empty files: of many runs drawing takes longer than all the rest."""
    blank = "matplotlib.figure.Figure.savefig"
    monkeypatch.setattr(blank, lambda self, file, **how: Path(file).write_bytes(b""))


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """The path of the toy recipe; the toy plugin is registered."""
    return write_toy(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of the toy recipe, trained once for a module: not to be changed."""
    from lebm_core.run.run import run_recipe

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as monkeypatch:
        recipe = write_toy(monkeypatch, folder)
        return run_recipe(recipe, "", out=folder / "run", log=lambda text: None)


@pytest.fixture
def run(finished, toy, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(finished.folder, tmp_path / "run")
    return dataclasses.replace(finished, folder=tmp_path / "run")


def write_toy(monkeypatch, folder):
    """Register the toy plugin, and write its recipe to a folder."""
    monkeypatch.syspath_prepend(str(TOY))
    point = importlib.metadata.EntryPoint("toy", "lebm_toy", "lebm")
    found = lebm_core.registry.registry.Registry([point])
    monkeypatch.setattr(lebm_core.registry.registry, "discover", lambda: found)
    import lebm_toy

    path = folder / "toy.toml"
    path.write_text(lebm_toy.RECIPE)
    return path


@pytest.fixture
def toy_environment():
    """The environment of a process that imports the toy plugin and this checkout."""
    root = str(Path(lebm_core.registry.registry.__file__).parents[1])
    path = os.pathsep.join([str(TOY), root, *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
