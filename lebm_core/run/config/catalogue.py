"""The recipes at a glance: read from the head of each TOML file, with nothing heavy imported."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, NamedTuple

from lebm_core.data.needs import declared
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.registry.registry import registry
from lebm_core.registry.source import Unreadable
from lebm_core.run.config.layers import read_source

__all__ = ["BEGIN", "END", "Entry", "catalogue", "kind_of", "markdown", "named", "plain", "some"]

BEGIN, END = "<!-- recipes:begin -->", "<!-- recipes:end -->"
OWN, KNOWN = "For your own data", "For known data sets"


class Entry(NamedTuple):
    """One recipe in the table.

    Attributes:
        name: as it is registered.
        summary: what it does.
        dataset: the name of its data set.
        download: whether its data must be fetched first.
        presets: each preset to its minutes, '' where unknown.
        expected: the figure to expect.
        error: '' or why it cannot be read.
        own: whether its data are the user's, by data.source.
    """

    name: str
    summary: str
    dataset: str
    download: bool
    presets: dict[str, str]
    expected: str
    error: str = ""
    own: bool = False


def catalogue(names: Iterable[str] | None = None) -> list[Entry]:
    """The registered recipes of these names, by default all; one that is unreadable says why."""
    return [_entry(name) for name in (registry().names("recipes") if names is None else names)]


def named(part: str) -> list[str]:
    """The recipes whose names begin with a part, then those that contain it.

    None where the part is a recipe's whole name, or a path.
    """
    names = registry().names("recipes")
    if part in names or not part:
        return []
    found = [name for name in names if part.lower() in name]
    return sorted(found, key=lambda name: not name.startswith(part.lower()))


def some(
    entries: Iterable[Entry], data: str | None = None, no_download: bool = False
) -> list[Entry]:
    """The entries that are asked for.

    Args:
        entries: to choose from.
        data: their kind of data, "mine" of "mine.rings", or the name of a data set; None for all.
        no_download: only those that run as they stand: nothing to fetch, no file of the user's.

    Raises:
        UsageError: there is no such kind of data.
    """
    names = registry().names("datasets")
    kinds = sorted({kind_of(name) for name in names})
    if data is not None and data not in (*kinds, *names):
        raise UsageError(
            f'--data: there is no kind of data "{data}".{did_you_mean(data, kinds)}'
            f" Known: {', '.join(kinds)}."
        )
    free = [each for each in entries if not no_download or not (each.download or each.own)]
    return [each for each in free if data is None or data in (each.dataset, kind_of(each.dataset))]


def kind_of(dataset: str) -> str:
    """The kind of a data set: "mine" of "mine.rings"."""
    return dataset.partition(".")[0]


def plain(entries: list[Entry], width: int = 96) -> str:
    """The table for a terminal: a block for each recipe, those for the user's own data first."""
    sections = []
    for title, group in _sections(entries):
        blocks = [_block(entry, width) for entry in group]
        sections.append("\n".join([f"{title}:", *blocks] if title else blocks))
    return "\n\n".join(sections)


def _block(entry: Entry, width: int) -> str:
    if entry.error:
        return f"{entry.name}\n    unreadable: {entry.error}"
    lines = [entry.summary, f"data: {_data(entry)}", f"presets: {_presets(entry)}"]
    if entry.expected:
        lines.append(f"expected: {entry.expected}")
    wrapped = [
        textwrap.fill(line, width, initial_indent="    ", subsequent_indent="      ")
        for line in lines
    ]
    return "\n".join([entry.name, *wrapped])


def markdown(entries: list[Entry]) -> str:
    """The table of docs/recipe-table.md: what each recipe does, its data, presets with minutes."""
    rows = [
        "| recipe | what it does | data | presets (minutes) | expected |",
        "|---|---|---|---|---|",
    ]
    for title, group in _sections(entries):
        rows += [f"| **{title}** | | | | |"] if title else []
        rows += [_row(entry) for entry in group if not entry.error]
    return "\n".join(rows)


def _row(entry: Entry) -> str:
    summary, expected = entry.summary, entry.expected
    cells = (f"`{entry.name}`", summary, _data(entry), _presets(entry), expected)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _sections(entries: list[Entry]) -> list[tuple[str, list[Entry]]]:
    """The entries with titles; all without one where none is for the user's own data."""
    own = [entry for entry in entries if entry.own]
    rest = [entry for entry in entries if not entry.own]
    return [(OWN, own), (KNOWN, rest)][: 2 if rest else 1] if own else [("", rest)]


def _entry(name: str) -> Entry:
    try:
        source = read_source(name)
    except (UsageError, OSError, ImportError) as error:
        return Entry(name, "", "", True, {}, "", error=str(error))
    table = source.table
    minutes, data = _table(table.get("minutes")), _table(table.get("data"))
    dataset = str(data.get("name", ""))
    return Entry(
        name,
        str(table.get("summary", "")),
        dataset,
        bool(table.get("download", True)),
        {preset: str(minutes.get(preset, "")) for preset in source.presets()},
        str(table.get("expected", "")),
        own=not data.get("source") and _is_own(dataset),
    )


def _is_own(dataset: str) -> bool:
    """Whether the examples of a data set are the user's, as far as its source says."""
    try:
        needs = declared(dataset, registry().find("datasets", dataset).target)
    except (UsageError, Unreadable):
        return False
    return needs is not None and needs.own


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _data(entry: Entry) -> str:
    if entry.own:
        return f"{entry.dataset} (your own)"
    return entry.dataset if entry.download else f"{entry.dataset} (no download)"


def _presets(entry: Entry) -> str:
    return ", ".join(f"{name} ({m})" if m else name for name, m in entry.presets.items())
