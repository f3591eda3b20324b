"""report.html: one file, nothing fetched, pictures inside."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, Template

from lebm_core.run.artifacts import part_folder
from lebm_core.run.environment import machine, without_home
from lebm_core.run.report.headline import headlines
from lebm_core.run.report.pictures import PICTURES, Pictures
from lebm_core.run.report.results import Collected, conditions

__all__ = ["page"]

BINARY = (".npz", ".npy", ".pt")
SAMPLE_LINES, FEW_LINES = 20, 10
CURVES = "training"
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
    pictures = Pictures()  # what the model makes first, while there is room
    own = [(folder / file, caption) for row, file, caption in figures if row == "model"]
    made = sorted((each for each in own if each[0].stem != CURVES), key=_comes_later)
    curves = [each for each in own if each[0].stem == CURVES]
    others = [(folder / file, f"{row}: {said}") for row, file, said in figures if row != "model"]
    samples = _samples(folder, results, pictures)
    # Lines are read; of numbers a picture says more.
    read = bool(made) and _comes_later(made[0]) and any(folder.glob("samples.[!cn]*"))
    first = 0 if read else 1
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
        headlines=headlines(results),
        definitions=_definitions(results),
        first=_entries(made[:first], pictures),
        samples=samples[:1],
        curves=_entries(curves, pictures),
        figures=_entries(made[first:], pictures),
        other_samples=samples[1:],
        others=_entries(others, pictures),
        left_out=[path.relative_to(folder) for path in pictures.left_out],
        seconds=[["part", "seconds"], *([k, f"{v:.1f}"] for k, v in results.seconds.items())],
        files=_entries(
            [
                (folder / "data.json", "Data"),
                (folder / "recipe.toml", "Recipe, every option"),
                (folder / "environment.json", "Environment"),
            ],
            pictures,
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
        f"{', '.join(rows)}: {steps} steps are too few to mean anything; raise training.min_steps, "
        "or --minutes where that has cut them."
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


def _comes_later(named: tuple[Path, str]) -> bool:
    """Whether a picture, with its caption, is one of something else than samples."""
    return not named[0].stem.startswith("samples")


def _samples(folder: Path, results: Collected, pictures: Pictures) -> list[Entry]:
    """The first samples of the model and of each baseline."""
    found: list[Entry] = []
    for row in ("model", *(r for r in results.training if r != "model")):
        paths = sorted(part_folder(folder, row).glob("samples.*"))
        lines = SAMPLE_LINES if row == "model" else FEW_LINES
        readable = [path for path in paths if path.suffix not in BINARY]
        title = "Samples of the model" if row == "model" else row
        found += _entries(((path, title) for path in readable), pictures, lines)
        if row == "model":
            for entry in found:
                entry.open = True
    return found


def _entries(
    named: Iterable[tuple[Path, str]], pictures: Pictures, lines: int | None = None
) -> list[Entry]:
    """The files that exist: pictures, and the first lines of others without the user's home."""
    found = []
    for path, title in named:
        if not path.is_file():
            continue
        if path.suffix.lower() in PICTURES:
            if url := pictures.url(path):
                found.append(Entry(title, picture=url))
            continue
        with path.open(encoding="utf-8", errors="replace") as file:
            shown = "".join(line for i, line in enumerate(file) if lines is None or i < lines)
        found.append(Entry(title, lines=without_home(shown)))
    return found
