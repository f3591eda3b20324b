"""report.html: one file, nothing fetched, pictures inside."""

from __future__ import annotations

import base64
import functools
import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from lebm_core.run.artifacts import part_folder
from lebm_core.run.environment import machine, without_home
from lebm_core.run.report.results import Collected, conditions

__all__ = ["page"]

PICTURES = (".png", ".jpg", ".jpeg", ".svg")
SAMPLE_LINES = 40
FEW_STEPS, FEW_EXAMPLES = 200, 100
# What the presets that all recipes share are good for.
PRESETS = {
    "smoke": "a trial of a minute: its figures prove nothing",
    "cpu": "sized for a computer without a GPU",
    "paper": "the published settings",
}


@dataclass
class Entry:
    """A picture, as a data URL, or lines to unfold."""

    title: str
    picture: str = ""
    lines: str = ""
    open: bool = False


def page(
    folder: Path,
    results: Collected,
    environment: dict[str, Any],
    figures: Sequence[tuple[str, str, str]],
    table: Sequence[Sequence[str]],
) -> str:
    """The content of report.html.

    Args:
        folder: the run directory.
        results: what was measured.
        environment: of environment.json.
        figures: (row, path relative to the run, caption).
        table: the results as strings, heading first.
    """
    own = [(file, caption) for row, file, caption in figures if row == "model"]
    others = [(file, f"{row}: {caption}") for row, file, caption in figures if row != "model"]
    return _template().render(
        title=results.recipe
        + (f" on {results.source}" if results.source else "")
        + (f", {results.preset}" if results.preset else ""),
        results=results,
        environment=environment,
        good_for=PRESETS.get(results.preset, ""),
        facts=_facts(results, environment),
        warnings=_warnings(results),
        figures_table=table,
        definitions=_definitions(results),
        pictures=_entries((folder / file, caption) for file, caption in own),
        others=_entries((folder / file, caption) for file, caption in others),
        samples=_samples(folder, results),
        seconds=[["part", "seconds"], *([k, f"{v:.1f}"] for k, v in results.seconds.items())],
        files=_entries(
            [
                (folder / "data.json", "Data"),
                (folder / "recipe.toml", "Recipe, every option"),
                (folder / "environment.json", "Environment"),
            ]
        ),
    )


@functools.cache
def _template() -> Template:
    source = files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source)


def _facts(results: Collected, environment: dict[str, Any]) -> list[tuple[str, Any]]:
    trained = results.training.get("model", {})
    parameters = sum(trained.get("parameters", {}).values())
    facts = {
        "parameters": f"{parameters:,}" if parameters else "",
        "steps": trained.get("steps", ""),
        "time": f"{sum(results.seconds.values()):.0f} s of work",
        "machine": machine(environment) if environment else "",
        "commit": environment.get("commit") or "",
    }
    return [(name, fact) for name, fact in facts.items() if fact != ""]


def _warnings(results: Collected) -> list[str]:
    warnings = [] if results.complete else ["This run is not complete: some figures are missing."]
    short: dict[int, list[str]] = {}  # parts by their steps
    for row, facts in results.training.items():
        short.setdefault(int(facts.get("steps", FEW_STEPS)), []).append(row)
    warnings += [
        f"{', '.join(rows)}: {steps} steps are too few to mean anything; raise training.epochs."
        for steps, rows in short.items()
        if steps < FEW_STEPS
    ]
    for row, facts in results.training.items():
        warnings += [f"{row}: {warning}" for warning in facts.get("warnings", [])]
    tested = [v.n for v in results.rows.get("model", {}).values() if v.split == "test" and v.n]
    if tested and max(tested) < FEW_EXAMPLES:
        warnings.append(
            f"The test split has {max(tested)} examples: differences within a few standard "
            "errors mean nothing."
        )
    return warnings


def _definitions(results: Collected) -> list[tuple[str, str, str]]:
    """A line for each metric, and one for each value that is refused; the heading first."""
    lines = [("metric", "definition", "on")]
    seen = set()
    for row, values in results.rows.items():
        for name, value in values.items():
            if value.refused:
                lines.append((f"{name}, {results.title_of(row)}", f"refused: {value.refused}", ""))
            if name not in seen:
                seen.add(name)
                lines.append((name, value.definition, conditions(value)))
    return lines


def _samples(folder: Path, results: Collected) -> list[Entry]:
    """The first samples of the model and of each baseline."""
    found: list[Entry] = []
    for row in ("model", *(r for r in results.training if r != "model")):
        paths = sorted(part_folder(folder, row).glob("samples.*"))
        found += _entries(((path, row) for path in paths), SAMPLE_LINES)
    for entry in found:
        entry.open = entry.title == "model"
    return found


def _entries(named: Iterable[tuple[Path, str]], lines: int | None = None) -> list[Entry]:
    """The files that exist: pictures, and the first lines of others without the user's home."""
    found = []
    for path, title in named:
        if not path.is_file():
            continue
        if path.suffix.lower() in PICTURES:
            kind, _ = mimetypes.guess_type(path.name)
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            found.append(Entry(title, picture=f"data:{kind};base64,{data}"))
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            shown = "".join(line for i, line in enumerate(file) if lines is None or i < lines)
        found.append(Entry(title, lines=without_home(shown)))
    return found
