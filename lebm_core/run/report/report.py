"""report.html of a run and the markdown tables of results pages, both from a run's files."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lebm_core.base.files import read_json, write_atomically
from lebm_core.errors import UsageError
from lebm_core.evaluation.values import Value, column_of
from lebm_core.run.artifacts import need_run, part_folder
from lebm_core.run.config.recipe import Recipe, load
from lebm_core.run.environment import machine
from lebm_core.run.report.card import write_card
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.page import page
from lebm_core.run.report.results import (
    Collected,
    best_of,
    collect,
    conditions,
    write_results,
)
from lebm_core.run.report.seeds import over_seeds
from lebm_core.run.report.tables import markdown_lines
from lebm_core.run.report.training_curves import training_curves

__all__ = ["Table", "markdown_table", "report_run", "results_table"]

SEED = re.compile(r" seed=-?\d+")
WIDE = 8  # metrics beyond which a table has a row, not a column, for each metric

Table = list[list[str]]


def report_run(folder: str | Path, recipe: Recipe | None = None) -> Path:
    """Write metrics.json, figures/training.png of each part and report.html from a run's files.

    Args:
        folder: a run, complete or not.
        recipe: of the run; by default it is read from the folder.

    Returns:
        The path of report.html.

    Raises:
        UsageError: where the folder is no run.
    """
    folder = Path(folder)
    recipe = _recipe_of(folder) if recipe is None else recipe
    results, environment = _read(folder, recipe)
    write_results(folder, results)
    figures = list(results.figures)
    for row in reversed(list(results.training)):
        part = part_folder(folder, row)
        drawn = training_curves(part, part / "figures")
        if drawn is not None:
            figures.insert(0, (row, str(drawn.relative_to(folder)), f"Training of {row}."))
    table = results_table(results, functools.partial(_marked, best_of(results)), _heads(results))
    plain = results_table(results, format_value)
    write_card(folder, recipe, results, environment, plain, _definitions(results))
    string = page(folder, results, environment, figures, table)
    target = folder / "report.html"
    write_atomically(target, string)
    return target


def markdown_table(folders: Iterable[str | Path], *, seeds: bool = False) -> str:
    """The tables of a results page: the results of each run, then how they were made.

    Args:
        folders: runs, in the order of the page.
        seeds: runs that differ in their seed alone make one table, of means and standard
            deviations over the seeds.

    Raises:
        UsageError: where a folder is no run, or none is given; with `seeds`, where two runs are
            the same.
    """
    blocks = []
    made: Table = [["run", "command", "commit", "machine", "training", "evaluation"]]
    groups: dict[str, list[tuple[Collected, str]]] = {}
    for folder in map(Path, folders):
        recipe = _recipe_of(folder)
        results, environment = _read(folder, recipe)
        same = repr(_seedless(recipe))
        command = str(environment.get("command", ""))
        groups.setdefault(same if seeds else str(len(made)), []).append((results, command))
        trained = [f"{row} {_duration(s)}" for row, s in results.seconds.items() if "/" not in row]
        measured = sum(s for row, s in results.seconds.items() if "/" in row)
        made.append(
            [
                results.recipe,
                f"`{command}`",
                str(environment.get("commit") or "release"),
                machine(environment),
                ", ".join(trained),
                _duration(measured),
            ]
        )
    for group in groups.values():
        results, command = group[0]
        title = f"**{results.recipe}**" + (f", preset {results.preset}" if results.preset else "")
        if len(group) == 1:
            title += f", seed {results.seed}"
        else:
            results = over_seeds([run for run, _ in group])
            named = ", ".join(str(run.seed) for run, _ in group)
            title += f", mean ± standard deviation of seeds {named}: `{SEED.sub('', command)}`"
        title += "" if results.complete else " (not complete)"
        blocks.append(f"{title}\n\n{markdown_lines(results_table(results, format_value))}")
        blocks += [_definitions(results)]
    if len(made) == 1:
        raise UsageError("Name at least one run folder.")
    return "\n\n".join([*blocks, markdown_lines(made)]) + "\n"


def results_table(
    results: Collected,
    show: Callable[[Value], str],
    heads: Mapping[str, str] | None = None,
) -> Table:
    """The results as rows of strings, the first one the heading.

    Rows are the model, its baselines, real data, the aggregate posterior and what was published;
    columns are metrics. With more than `WIDE` metrics it is transposed.

    Args:
        results: what was measured.
        show: writes a value.
        heads: of metrics, where they are more than the name.
    """
    rows: dict[str, dict[str, Value]] = {
        results.title_of(row): values for row, values in results.rows.items()
    }
    for row, figures in results.published.items():
        rows[f"published: {row}"] = {k: Value(float(v)) for k, v in figures.items()}
    metrics = list(dict.fromkeys(metric for values in rows.values() for metric in values))
    table = [["", *((heads or {}).get(metric, metric) for metric in metrics)]]
    for row, values in rows.items():
        table.append([row, *(show(values[m]) if m in values else "" for m in metrics)])
    if len(metrics) > WIDE:
        table = [list(column) for column in zip(*table, strict=True)]
    return table


def _marked(best: set[int], value: Value) -> str:
    """A value as HTML, bold where it is the best."""
    string = format_value(value)
    return Markup("<b>{}</b>").format(string) if id(value) in best else string


def _heads(results: Collected) -> dict[str, str]:
    """The name of each metric as HTML: an arrow where one direction is better, its definition."""
    arrows = {"higher": " ↑", "lower": " ↓"}
    heads: dict[str, str] = {}
    for values in results.rows.values():
        for name, value in values.items():
            column, span = column_of(name, value), Markup('<span title="{}">{}{}</span>')
            arrow = arrows.get(value.better, "")
            heads.setdefault(column, span.format(value.definition, column, arrow))
    return heads


def _definitions(results: Collected) -> str:
    """A line for each metric: what it is, on what, and why where it is refused."""
    lines = {}
    for values in results.rows.values():
        for name, value in values.items():
            if name not in lines:
                lines[name] = f"- {name}: {value.definition} ({conditions(value)})"
    lines |= {
        f"{row} {name}": f"- {name} of {results.title_of(row)} is refused: {value.refused}"
        for row, values in results.rows.items()
        for name, value in values.items()
        if value.refused
    }
    return "\n".join(lines.values())


def _recipe_of(folder: Path) -> Recipe:
    need_run(folder)
    return load(folder / "recipe.toml")


def _seedless(recipe: Recipe) -> Recipe:
    """The recipe without its seed, for runs that differ in nothing else."""
    baselines = {name: _seedless(each) for name, each in recipe.baselines.items()}
    return dataclasses.replace(recipe, seed=0, baselines=baselines)


def _read(folder: Path, recipe: Recipe) -> tuple[Collected, dict[str, Any]]:
    environment: dict[str, Any] = {}
    if (folder / "environment.json").is_file():
        environment = read_json(folder / "environment.json")
    return collect(folder, recipe), environment


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"
