"""The table and the figure of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lebm_core.base.files import replace_file
from lebm_core.evaluation.values import Value
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.results import Collected
from lebm_core.run.report.tables import markdown_lines

__all__ = ["sweep_figure", "sweep_table"]

MODEL = "model"
LOG_SPAN = 8  # largest over smallest value, from which an axis is logarithmic


class Varied(Protocol):
    """What a combination is known by."""

    @property
    def options(self) -> tuple[tuple[str, str], ...]: ...


Runs = Sequence[tuple[Varied, Collected]]


def sweep_table(runs: Runs) -> str:
    """Markdown: a row for each combination and row of its results, a column for each metric."""
    keys = [key for key, _ in runs[0][0].options]
    metrics = list(dict.fromkeys(
        metric for _, run in runs for values in _rows(run).values() for metric in values
    ))  # fmt: skip
    table = [[*keys, "", *metrics, "training, s"]]
    for point, run in runs:
        for row, values in _rows(run).items():
            figures = [format_value(values[m]) if m in values else "" for m in metrics]
            seconds = f"{run.seconds[row]:.0f}" if row in run.seconds else ""
            table.append([*(value for _, value in point.options), run.title_of(row),
                          *figures, seconds])  # fmt: skip
    return markdown_lines(table) + "\n"


def _rows(run: Collected) -> dict[str, dict[str, Value]]:
    """The model and the baselines that are trained; other rows do not depend on what varies."""
    return {row: run.rows[row] for row in run.training if row in run.rows}


def sweep_figure(runs: Runs, file: Path) -> None:
    """Draw each metric over the first key, a line for each value of the others and each row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    key = runs[0][0].options[0][0]
    metrics = [
        metric
        for metric in dict.fromkeys(m for _, run in runs for m in run.rows.get(MODEL, {}))
        if any(_number(run, MODEL, metric) is not None for _, run in runs)
    ]
    if not metrics:
        return
    labels = list(dict.fromkeys(point.options[0][1] for point, _ in runs))
    places = _places(labels)
    columns = min(3, len(metrics))
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for ax, metric in zip(axes, metrics, strict=False):
        for label, line in _lines(runs, metric).items():
            x = [places[at] for at, _ in line]
            error = [value.standard_error or 0.0 for _, value in line]
            y = [value.value for _, value in line]
            style = "o-" if label.startswith(MODEL) else "s--"
            ax.errorbar(x, y, error, fmt=style, markersize=4, linewidth=1.2, capsize=2, label=label)
        ax.set_title(metric, fontsize=9)
        ax.set_xlabel(key, fontsize=8)
        numbers = [*places.values()]
        if min(numbers) > 0 and max(numbers) >= LOG_SPAN * min(numbers):
            ax.set_xscale("log")
        ax.set_xticks(numbers, labels, fontsize=7)
        ax.minorticks_off()
        ax.tick_params(axis="y", labelsize=7)
        ax.grid(alpha=0.25, linewidth=0.5)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[len(metrics) :]:
        ax.remove()
    axes[0].legend(fontsize=7, frameon=False)
    replace_file(file, lambda path: figure.savefig(path, dpi=120))


def _lines(runs: Runs, metric: str) -> dict[str, list[tuple[str, Value]]]:
    """(value of the first key, figure), by what a line is called."""
    lines: dict[str, list[tuple[str, Value]]] = {}
    for point, run in runs:
        (_, at), *others = point.options
        named = ", ".join(f"{key.rpartition('.')[2]} {value}" for key, value in others)
        for row in _rows(run):
            if _number(run, row, metric) is not None:
                label = ", ".join(filter(None, (row, named)))
                lines.setdefault(label, []).append((at, run.rows[row][metric]))
    return lines


def _number(run: Collected, row: str, metric: str) -> float | None:
    value = run.rows.get(row, {}).get(metric)
    return None if value is None else value.value


def _places(labels: Sequence[str]) -> dict[str, float]:
    """Where each value is on the axis: itself if all are numbers, else its place among them."""
    try:
        return {label: float(label) for label in labels}
    except ValueError:
        return {label: float(i) for i, label in enumerate(labels, 1)}
