"""The plugin skeletons: fit to install, their own tests pass, and they train by their recipes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lebm_core.errors import RunError, UsageError
from lebm_core.registry.registry import discover
from lebm_core.run.cli import app, main
from lebm_core.run.cli.completion import complete_template
from lebm_core.run.cli.skeleton import write_skeleton
from lebm_core.run.cli.templates import kinds

KINDS = ("images", "sequences", "sets", "vectors")


def with_metadata(folder: Path) -> Path:
    """The skeleton with the metadata of an installed distribution, without installing it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    name = project["name"]
    info = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    points = [f"{key} = {module}" for key, module in project["entry-points"]["lebm"].items()]
    (info / "entry_points.txt").write_text("\n".join(["[lebm]", *points, ""]))
    return folder


@pytest.fixture(params=KINDS)
def installed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A skeleton of each kind that this process finds as a plugin."""
    folder = with_metadata(
        write_skeleton(f"my_{request.param}", tmp_path / "plugin", request.param)
    )
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    discover.cache_clear()
    yield folder
    sys.path.remove(str(folder))
    discover.cache_clear()
    for module in [name for name in sys.modules if name.startswith("lebm_my_")]:
        del sys.modules[module]


def test_each_kind_of_skeleton_passes_its_own_tests(installed: Path) -> None:
    """Its contracts, its recipe in the preset smoke, its samples and predictions."""
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:timeout", "--import-mode=importlib"]
    assert (
        pytest.main([*options, "--rootdir", str(installed), "-c", os.devnull, str(installed)]) == 0
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_skeleton_learns_what_its_data_are(kind: str, tmp_path: Path) -> None:
    """Its recipe as it stands: classes are known, and samples have the metric of the data."""
    folder = with_metadata(write_skeleton("learner", tmp_path / "plugin", kind))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    code = (
        "from lebm_core import run_recipe\n"
        "rows = run_recipe('learner-demo', 'cpu', out='run').results\n"
        "(metric,) = {*rows['real']} - {'accuracy'}\n"
        "real, model = rows['real'][metric].value, rows['model'][metric].value\n"
        "print(rows['model']['accuracy'].value, abs(model - real) / real)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    accuracy, gap = map(float, done.stdout.split()[-2:])
    assert accuracy > 0.85 and gap < 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_the_skeleton_is_lint_free(tmp_path, kind):
    folder = write_skeleton("tidy", tmp_path / "plugin", kind)
    rules = ["--isolated", "--line-length", "100"]
    for command in (["check", "--select", "E,F,I,UP,B,W", *rules], ["format", "--diff", *rules]):
        checked = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout


def test_the_kinds_are_listed_completed_and_mistyped_in_one_sentence(tmp_path, capsys):
    assert tuple(kinds()) == KINDS
    assert complete_template("se") == ["sequences", "sets"]
    shown = CliRunner().invoke(app, ["plugins", "new", "--help"], terminal_width=200).output
    assert "|".join(KINDS) in shown
    out = tmp_path / "plugin"
    assert main(["plugins", "new", "wave", "--kind", "image", "--out", str(out)]) == 2
    assert capsys.readouterr().err == (
        'lebm: --kind = "image" is unknown; use images, sequences, sets, vectors. '
        'Did you mean "images"?\n'
    )
    assert main(["plugins", "new", "wave", "--kind", "common", "--out", str(out)]) == 2
    assert not out.exists()


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
