"""The results of a run, gathered from its parts' files: rows (model, baselines, real) by metric."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lebm_core.base.files import inside, write_atomically
from lebm_core.evaluation.evaluation import MetricResult
from lebm_core.evaluation.values import Value, column_of
from lebm_core.registry.registry import discover
from lebm_core.run.artifacts import part_folder, read_training, result_files
from lebm_core.run.config.recipe import Recipe

__all__ = ["Collected", "Results", "best_of", "collect", "conditions", "write_results"]

Results = dict[str, dict[str, Value]]


@dataclass
class Collected:
    """The content of `metrics.json`.

    Attributes:
        rows: "model", each baseline, then the rows that metrics give beside them -> metric ->
            value.
        figures: (row, path relative to the run, caption).
        seconds: by part and metric.
        training: steps, epochs, device, parameters and warnings by part.
        published: rows of published figures, from the recipe.
        complete: whether every part is trained and every metric has run.
        source: the name of the user's own file or folder; "" for a data set that has a name.
        about: what each baseline is, as its recipe says.
    """

    recipe: str
    preset: str
    seed: int
    rows: Results
    figures: list[tuple[str, str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    complete: bool = False
    summary: str = ""
    expected: str = ""
    source: str = ""
    about: dict[str, str] = field(default_factory=dict)

    def title_of(self, row: str) -> str:
        """The title of a row in tables: its values', its registered baseline's, or its name."""
        titles = [value.row_title for value in self.rows.get(row, {}).values()]
        known = discover()
        if row in known.names("baselines"):
            titles.append(known.find("baselines", row).summary)
        return next(filter(None, titles), row)


def best_of(results: Collected) -> set[int]:
    """The identities of the best value of each metric, among the model and what it is held against.

    A metric of one row alone has no best, nor one whose values are all the same, nor one of which
    neither direction is better.
    """
    compared = ("model", *results.about, *discover().names("baselines"))
    columns: dict[str, list[Value]] = {}
    for row in compared:
        for name, value in results.rows.get(row, {}).items():
            if value.value is not None and value.better:
                columns.setdefault(column_of(name, value), []).append(value)
    best = set()
    for values in columns.values():
        if len({value.value for value in values}) > 1:
            sign = 1 if values[0].better == "higher" else -1
            top = max(sign * (value.value or 0.0) for value in values)
            best |= {id(value) for value in values if sign * (value.value or 0.0) == top}
    return best


def conditions(value: Value) -> str:
    """The conditions of a value, in a phrase: split, sample count, settings."""
    extra = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in value.extra.items()}
    facts = [value.split, f"n = {value.n}" if value.n else ""]
    return "; ".join(filter(None, [*facts, *(f"{k} {v}" for k, v in extra.items())]))


def collect(folder: Path, recipe: Recipe) -> Collected:
    """Gather what the parts of a run have written so far.

    Args:
        folder: the run directory.
        recipe: of the run, its baselines resolved.
    """
    found = Collected(
        recipe.name, recipe.preset, recipe.seed, {}, published=dict(recipe.published),
        complete=True, summary=recipe.summary, expected=recipe.expected,
        source=Path(str(recipe.data.get("source") or "")).name,
        about={
            name: each.summary
            for name, each in recipe.baselines.items()
            if each.summary != recipe.summary
        },
    )  # fmt: skip
    beside: Results = {}
    for name, part in {"model": recipe, **recipe.baselines}.items():
        _add_part(found, beside, name, part_folder(folder, name), part, folder)
    found.rows |= beside
    return found


def _add_part(
    found: Collected, beside: Results, name: str, place: Path, recipe: Recipe, run: Path
) -> None:
    """Add the model or a baseline; the rows that its metrics give beside it go to `beside`."""
    training = read_training(place)
    if training is not None:
        found.training[name] = training
        found.seconds[name] = round(float(training["seconds"]), 1)
    else:
        found.complete = False
    values: dict[str, Value] = {}
    for each in result_files(recipe, name):
        result = MetricResult.read(inside(run, place / "evaluation" / f"{each}.json"))
        if result is None:
            found.complete = False
            continue
        found.seconds[f"{name}/{each}"] = round(result.seconds, 1)
        for key, value in result.values.items():
            if value.row:
                beside.setdefault(value.row, {}).setdefault(column_of(key, value), value)
            else:
                values[key] = value
        for file, string in result.figures:
            inside(run, place / file)
            found.figures.append((name, str(place.relative_to(run) / file), string))
    if values or training is not None:
        found.rows[name] = values


def write_results(
    folder: Path, results: Collected | dict[str, Any], name: str = "metrics.json"
) -> None:
    """Write `metrics.json`, or other facts, as a whole or not at all."""
    content = dataclasses.asdict(results) if isinstance(results, Collected) else results
    write_atomically(folder / name, json.dumps(content, indent=1) + "\n")
