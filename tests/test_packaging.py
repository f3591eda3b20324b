"""The wheel: all packages, data files and entry points are in it, and it works on its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The contents of the wheel, as an installer lays them out."""
    folder = tmp_path_factory.mktemp("wheel")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_everything_that_is_in_the_tree_is_in_the_wheel_and_nothing_else(installed):
    expected = set()
    for root in ("lebm_core", "plugins", "recipes"):
        base = ROOT if root == "lebm_core" else ROOT / root
        for file in (ROOT / root).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert (installed / file.relative_to(base)).is_file(), file
                expected.add(file.relative_to(base))
    found = {file.relative_to(installed) for file in installed.rglob("*") if file.is_file()}
    rest = {file for file in found - expected if not file.parts[0].endswith(".dist-info")}
    assert not rest, rest


def test_plugins_and_recipes_are_found_from_the_wheel(installed, tmp_path):
    code = (
        "import lebm_core, lebm_text; from lebm_core.registry.registry import registry;"
        " found = registry();"
        "print(lebm_core.__file__, lebm_text.__file__);"
        "print(*[f'{p.name}={p.status}' for p in found.plugins() if p.distribution == 'lebm']);"
        "from lebm_core.run.config.catalogue import catalogue;"
        "print(*[entry.name for entry in catalogue() if not entry.error])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    files, plugins, recipes = shown.stdout.splitlines()
    assert files.count(str(installed)) == 2
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert set(plugins.split()) == {f"{name}=loaded" for name in declared["lebm"]}
    own = {file.stem for file in (ROOT / "recipes" / "lebm_recipes").glob("*.toml")}
    assert own and own <= set(recipes.split())


def test_constraints_pin_what_is_required():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = list(project["dependencies"])
    for extra in ("text", "molecules", "cluster", "test"):
        asked += extras[extra]
    names = {item.partition(">")[0].lower().replace("_", "-") for item in asked}
    lines = (ROOT / "constraints.txt").read_text().lower().replace("_", "-").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    assert names <= pinned, names - pinned
