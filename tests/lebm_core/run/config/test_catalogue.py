"""The table of recipes."""

from __future__ import annotations

import pytest

from lebm_core.errors import UsageError
from lebm_core.run.cli import inventory
from lebm_core.run.config import catalogue
from lebm_core.run.config.catalogue import Entry, markdown, named, plain, some
from lebm_core.run.config.recipe import load

ENTRIES = [
    Entry("a-free", "free | data", "a.free", False, {"cpu": "20", "smoke": ""}, "NLL 100"),
    Entry("a-paid", "paid data", "a.paid", True, {}, ""),
    Entry("bad", "", "", True, {}, "", "bad.toml is not valid TOML."),
]
OWN = Entry("yours", "your data", "a.file", False, {"cpu": ""}, "", own=True)


def test_the_table_for_a_terminal_and_for_readme():
    text = plain(ENTRIES)
    assert "data: a.free (no download)" in text and "presets: cpu (20), smoke" in text
    assert "bad\n    unreadable: bad.toml is not valid TOML." in text
    rows = markdown(ENTRIES).splitlines()
    assert len(rows) == 4
    assert rows[2].startswith(
        "| `a-free` | free \\| data | a.free (no download) | cpu (20), smoke |"
    )


def test_recipes_for_ones_own_data_stand_first_in_a_section_of_their_own():
    lines = plain([*ENTRIES, OWN]).splitlines()
    assert lines[:3] == ["For your own data:", "yours", "    your data"]
    assert lines.index("For known data sets:") < lines.index("a-free")
    rows = markdown([*ENTRIES, OWN]).splitlines()
    assert [row.split(" | ")[0] for row in rows[2:5]] == [
        "| **For your own data**",
        "| `yours`",
        "| **For known data sets**",
    ]
    assert plain([OWN]).startswith("For your own data:") and "known" not in plain([OWN])


def test_a_recipe_that_needs_no_download_needs_no_file_either(monkeypatch):
    monkeypatch.setattr(inventory, "catalogue", lambda: [OWN, *ENTRIES])
    inventory._without_download.cache_clear()
    try:
        assert inventory._without_download() == {"a": "a-free"}
    finally:
        inventory._without_download.cache_clear()


def test_part_of_a_name_kind_of_data_and_no_download_choose_recipes():
    assert named("semi-digits") == [] and named("no-such") == [] and named("a/b.toml") == []
    found = named("mnist")
    assert set(found) >= {"semi-mnist", "image-mnist"}
    assert all(name.startswith("semi") for name in named("semi"))
    assert named("mole")[0].startswith("mole") and named("mole")[-1].endswith("molecules")
    known = catalogue.catalogue(["text-ptb", "text-pydocs", "text", "table"])
    assert [entry.name for entry in known if entry.own] == ["text", "table"]
    assert [e.name for e in some(known, "text")] == ["text-ptb", "text-pydocs", "text"]
    assert [e.name for e in some(known, "text", no_download=True)] == ["text-pydocs"]
    assert [e.name for e in some(known, "text.ptb")] == ["text-ptb"]
    message = r'no kind of data "txt".*"text".*Known: cooperative, energies'
    with pytest.raises(UsageError, match=message):
        some(known, "txt")


@pytest.mark.parametrize("entry", catalogue.catalogue(), ids=lambda entry: entry.name)
def test_every_recipe_loads_in_each_of_its_presets(entry):
    assert entry.error == "" and entry.summary and (entry.own or entry.expected)
    assert {"cpu", "smoke"} <= set(entry.presets)
    for preset in (None, *entry.presets):
        load(entry.name, preset)
