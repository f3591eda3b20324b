"""The table of recipes."""

from __future__ import annotations

import pytest

from lebm_core.run.config import catalogue
from lebm_core.run.config.catalogue import Entry, markdown, plain, without_download
from lebm_core.run.config.recipe import load

ENTRIES = [
    Entry("a-free", "free | data", "a.free", False, {"cpu": "20", "smoke": ""}, "NLL 100"),
    Entry("a-paid", "paid data", "a.paid", True, {}, ""),
    Entry("bad", "", "", True, {}, "", "bad.toml is not valid TOML."),
]


def test_the_table_for_a_terminal_and_for_readme():
    text = plain(ENTRIES)
    assert "data: a.free (no download)" in text and "presets: cpu (20), smoke" in text
    assert "bad\n    unreadable: bad.toml is not valid TOML." in text
    rows = markdown(ENTRIES).splitlines()
    assert len(rows) == 4
    assert rows[2].startswith(
        "| `a-free` | free \\| data | a.free (no download) | cpu (20), smoke |"
    )


def test_a_recipe_without_download_is_of_the_same_kind(monkeypatch):
    monkeypatch.setattr(catalogue, "catalogue", lambda: ENTRIES)
    assert without_download("a.paid") == "a-free"
    assert without_download("b.paid") == ""


@pytest.mark.parametrize("entry", catalogue.catalogue(), ids=lambda entry: entry.name)
def test_every_recipe_loads_in_each_of_its_presets(entry):
    assert entry.error == "" and entry.summary and entry.expected
    assert {"cpu", "smoke"} <= set(entry.presets)
    for preset in (None, *entry.presets):
        load(entry.name, preset)
