"""The recipes at a glance: read from the head of each TOML file, with nothing heavy imported."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

from lebm_core.errors import UsageError
from lebm_core.registry.registry import registry
from lebm_core.run.config.layers import read_source

__all__ = ["BEGIN", "END", "Entry", "catalogue", "markdown", "plain", "without_download"]

BEGIN, END = "<!-- recipes:begin -->", "<!-- recipes:end -->"


class Entry(NamedTuple):
    """One recipe in the table; `presets` maps each preset to its minutes, '' where unknown."""

    name: str
    summary: str
    dataset: str
    download: bool
    presets: dict[str, str]
    expected: str
    error: str = ""


def catalogue() -> list[Entry]:
    """Every registered recipe, by name; one that cannot be read has its error."""
    return [_entry(name) for name in registry().names("recipes")]


def plain(entries: list[Entry], width: int = 96) -> str:
    """The table for a terminal: a block for each recipe."""
    blocks = []
    for entry in entries:
        if entry.error:
            blocks.append(f"{entry.name}\n    unreadable: {entry.error}")
            continue
        lines = [entry.summary, f"data: {_data(entry)}", f"presets: {_presets(entry)}"]
        if entry.expected:
            lines.append(f"expected: {entry.expected}")
        wrapped = [
            textwrap.fill(line, width, initial_indent="    ", subsequent_indent="      ")
            for line in lines
        ]
        blocks.append("\n".join([entry.name, *wrapped]))
    return "\n".join(blocks)


def markdown(entries: list[Entry]) -> str:
    """The table for README: what each recipe does, its data, presets with minutes, the figure."""
    rows = [
        "| recipe | what it does | data | presets (minutes) | expected |",
        "|---|---|---|---|---|",
    ]
    for entry in entries:
        if not entry.error:
            cells = (
                f"`{entry.name}`",
                entry.summary,
                _data(entry),
                _presets(entry),
                entry.expected,
            )
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def without_download(dataset: str) -> str:
    """A recipe of the same kind of data ("mine" of "mine.rings") that needs no download, or ''."""
    kind = dataset.partition(".")[0]
    for entry in catalogue():
        if not entry.download and entry.dataset.partition(".")[0] == kind:
            return entry.name
    return ""


def _entry(name: str) -> Entry:
    try:
        source = read_source(name)
    except (UsageError, OSError, ImportError) as error:
        return Entry(name, "", "", True, {}, "", error=str(error))
    table = source.table
    minutes = _table(table.get("minutes"))
    return Entry(
        name,
        str(table.get("summary", "")),
        str(_table(table.get("data")).get("name", "")),
        bool(table.get("download", True)),
        {preset: str(minutes.get(preset, "")) for preset in source.presets()},
        str(table.get("expected", "")),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _data(entry: Entry) -> str:
    return entry.dataset if entry.download else f"{entry.dataset} (no download)"


def _presets(entry: Entry) -> str:
    return ", ".join(f"{name} ({m})" if m else name for name, m in entry.presets.items())
