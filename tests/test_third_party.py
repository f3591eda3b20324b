"""A third party's package, installed from its wheel, registers and uses a part of every kind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "third_party"
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """That of a process which finds the installed package, and lebm, by their metadata."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "-w", str(folder)]
    subprocess.run([*pip, *build, str(HERE / "lebm_strange")], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run(
        [*pip, "install", "--no-deps", "--target", str(folder / "site"), str(wheel)], check=True
    )
    path = os.pathsep.join([str(folder / "site"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory, environment: Mapping[str, str]) -> Any:
    """What became of it: a training is killed, and the rest is done by another process."""
    folder = tmp_path_factory.mktemp("runs")
    command = [sys.executable, str(HERE / "use_strange.py"), str(folder)]
    done = subprocess.run(
        command, env=dict(environment), cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "facts.json").read_text())


def test_a_killed_training_is_resumed_to_the_same_weights(facts: Any) -> None:
    assert facts["killed"] == [-signal.SIGKILL, "step-00000020"]
    assert facts["same weights"]


def test_both_recipes_run_to_the_end(facts: Any) -> None:
    """Their metric, their registered baseline, and a baseline with the other parts."""
    assert facts["results"]["data"] == {"model": ["on_ring"], "strange.kde": ["on_ring"]}
    latent = ["distance", "on_ring"]
    tilted = ["distance", "energy_gap", "on_ring"]
    expected = {"model": latent, "tilted": tilted, "strange.kde": ["on_ring"]}
    assert facts["results"]["latent"] == expected


def test_the_saved_models_are_loaded(facts: Any) -> None:
    assert facts["models"] == ["DataEBM EBMPrior", "LatentEBM FlowPrior", "LatentEBM EBMPrior"]


@pytest.mark.parametrize("name", ["whole", "latent"])
def test_a_control_steers_samples(facts: Any, name: str) -> None:
    distance = facts["distance"]
    assert distance[f"{name}-near"] < 0.8 * distance[f"{name}-plain"]


def test_every_part_keeps_the_promises_of_its_kind(facts: Any) -> None:
    assert facts["unchecked"] == []
