"""`lebm data`: what data sets declare is looked for, and none of them is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.errors import MissingData
from lebm_core.registry import registry as registries
from lebm_core.run.cli import inventory as listing
from lebm_core.run.cli.inventory import inventory, listed

PLUGIN = """
from lebm_core import hookimpl

@hookimpl
def lebm_register_datasets(register):
    for name in ("reads", "free", "own", "asked", "computed"):
        register(f"mine.{name}", f"lebm_mine_data:{name}")
    register("mine.gone", "lebm_no_such_module:build")
"""
DATA = """
import lebm_no_such_package
from lebm_core.data.needs import Needs

READS = Needs("mine.reads", ["a.txt", ["b.txt", "c.txt"]], how="They lie " "about.",
              address="https://example.org/mine", licence="CC0")
OWN = Needs("mine.own", source="a .csv file")

def reads(*, files, seed):
    return READS.find(files)

def free(*, files, seed): ...
def own(*, files, seed, source: str = ""): ...
def asked(*, files, seed, source: str): ...
def computed(*, files, seed): ...
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A plugin whose data sets cannot be imported; the folder in which files are looked for."""
    (tmp_path / "lebm_mine.py").write_text(PLUGIN)
    (tmp_path / "lebm_mine_data.py").write_text(DATA)
    monkeypatch.syspath_prepend(tmp_path)
    found = registries.Registry([EntryPoint("mine", "lebm_mine", "lebm")])
    monkeypatch.setattr(registries, "discover", lambda: found)
    monkeypatch.setattr(listing, "_without_download", lambda: {"mine": "mine-demo"})
    monkeypatch.setattr(listing, "_for_own_data", lambda: {"mine": ("ours", "mine.own")})
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("LEBM_DATA", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return folder


def test_files_are_found_without_an_import(mine):
    (mine / "a.txt").write_text("x")
    known = {each.name: each for each in inventory()}
    missing = known["mine.reads"]
    assert missing.status == "missing" and missing.detail == "b.txt or c.txt (plain or .gz)"
    assert missing.how == "They lie about." and missing.origin == "https://example.org/mine (CC0)"
    assert known["mine.free"].status == "no file needed"
    assert known["mine.own"].status == known["mine.asked"].status == "yours"
    assert known["mine.own"].detail == (
        "data.source = a .csv file (lebm recipe ours data.source=...)"
    )
    assert "(lebm recipe ours data.name=mine.asked data.source=...)" in known["mine.asked"].detail
    assert known["mine.gone"].status == "failed" and "lebm_no_such" in known["mine.gone"].detail
    (mine / "c.txt.gz").write_text("x")
    found = {each.name: each for each in inventory()}["mine.reads"]
    assert found.status == "found"
    assert found.detail == f"2 files in {mine}"
    assert "lebm_mine_data" not in sys.modules


def test_the_list_says_places_once_and_own_data_apart(mine):
    lines = listed().splitlines()
    assert lines[0].startswith("Looked for in --data-dir (not given), $LEBM_DATA (")
    assert sum(str(mine) in line for line in lines) == 1
    own, public = lines.index("Your own data:"), lines.index("Data sets:")
    assert [line.partition(":")[0] for line in lines[own + 1 : public - 1]] == [
        "mine.asked",
        "mine.own",
    ]
    at = lines.index("mine.reads: missing: a.txt; b.txt or c.txt (plain or .gz)")
    assert at > public and lines[at + 1] == "    They lie about. https://example.org/mine (CC0)"


def test_what_the_source_does_not_say_is_asked_of_the_module(tmp_path, monkeypatch):
    (tmp_path / "lebm_computed.py").write_text(
        "from lebm_core.data.needs import Needs\n"
        "NEEDS = Needs('mine.computed', [f'{part}.txt' for part in 'ab'])\n"
    )
    (tmp_path / "lebm_computes.py").write_text(
        "from lebm_core import hookimpl\n"
        "@hookimpl\n"
        "def lebm_register_datasets(register):\n"
        "    register('mine.computed', 'lebm_computed:build')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    found = registries.Registry([EntryPoint("mine", "lebm_computes", "lebm")])
    monkeypatch.setattr(registries, "discover", lambda: found)
    (known,) = inventory(tmp_path)
    assert known.detail == "a.txt; b.txt (plain or .gz)"


def test_a_factory_finds_what_it_declares(mine):
    needs = Needs("mine.x", ["a.txt", ["b.txt", "a.txt"]], "Anywhere.", "any file")
    (mine / "a.txt").write_text("x")
    assert needs.find(DataFiles()) == [mine / "a.txt", mine / "a.txt"]
    needs.check("some.csv")
    with pytest.raises(MissingData, match="mine.x needs data.source = any file"):
        needs.check("")
    public = Needs("mine.y", ["z.txt"], address="https://example.org/y", licence="CC0")
    with pytest.raises(MissingData, match=r"To be had at https://example.org/y \(CC0\)\."):
        public.find(DataFiles())
    assert Needs("mine.z", source="a file").own and not public.own


def test_every_data_set_is_listed_fast_and_without_torch():
    code = (
        "import sys; from lebm_core.run.cli import main; code = main(['data']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    before = os.times()
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    after = os.times()
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    names = registries.registry().names("datasets")
    assert sorted(line.partition(":")[0] for line in lines if line.partition(":")[0] in names) == (
        names
    )
    assert not any(": failed" in line for line in lines)
    own, public = lines.index("Your own data:"), lines.index("Data sets:")
    assert own < lines.index(next(line for line in lines if "text.file" in line)) < public
    assert next(i for i, line in enumerate(lines) if "images.celeba:" in line) > public
    spent = after.children_user - before.children_user
    assert spent + after.children_system - before.children_system < 2.0  # 0.7 s on an idle machine
