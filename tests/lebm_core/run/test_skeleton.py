"""The plugin skeleton: fit to install, its own tests pass, and it trains through its recipe."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib

import pytest

from lebm_core.errors import RunError, UsageError
from lebm_core.run.cli.skeleton import write_skeleton


def test_the_skeleton_passes_its_own_tests(tmp_path):
    folder = write_skeleton("my_wave", tmp_path / "plugin")
    package = tomllib.loads((folder / "pyproject.toml").read_text())
    assert package["project"]["name"] == "lebm-my-wave"
    # The metadata of an installed distribution, without installing it.
    info = folder / "lebm_my_wave-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lebm-my-wave\nVersion: 0.1.0\n")
    points = package["project"]["entry-points"]["lebm"]
    lines = [f"{name} = {module}" for name, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[lebm]", *lines, ""]))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "4 passed" in tested.stdout


def test_the_skeleton_is_lint_free(tmp_path):
    folder = write_skeleton("tidy", tmp_path / "plugin")
    rules = ["--isolated", "--select", "E,F,I,UP,B,W", "--line-length", "100"]
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", *rules, "."],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", ["", "Wave", "9lives", "a-b", "class", "text", "core", "../x"])
def test_bad_and_taken_names_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match=f'"{name}"'):
        write_skeleton(name, tmp_path / "plugin")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lebm-sketch").mkdir()
    with pytest.raises(UsageError, match='"lebm-sketch" exists already'):
        write_skeleton("sketch")
    assert list((tmp_path / "lebm-sketch").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_skeleton("sketch", tmp_path / "file" / "plugin")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "lebm-sketch"]
