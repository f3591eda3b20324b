"""Headline metrics of a report, each with the best baseline and reference values."""

from __future__ import annotations

from dataclasses import dataclass, field

from lebm_core.evaluation.values import Value, column_of
from lebm_core.registry.registry import discover
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.results import Collected

__all__ = ["Headline", "headlines"]

MOST = 4  # figures
BESIDE = ("real", "aggregate", "reference")  # rows that say what there is to reach


@dataclass
class Headline:
    """One figure of the model.

    Attributes:
        metric: its name.
        shown: the figure with its standard error.
        better: "higher" or "lower".
        definition: of the metric.
        beside: (row, figure) of the best baseline and of what there is to reach.
    """

    metric: str
    shown: str
    better: str
    definition: str
    beside: list[tuple[str, str]] = field(default_factory=list)


def headlines(results: Collected) -> list[Headline]:
    """Select at most four metrics that have a better direction, for the top of the report.

    Those with something to be held against come first, else they are in the recipe's order.
    """
    found = []
    for metric, value in results.rows.get("model", {}).items():
        if value.better and value.value is not None:
            beside = _beside(results, metric, value)
            shown = format_value(value)
            found.append(Headline(metric, shown, value.better, value.definition, beside))
    return sorted(found, key=lambda each: not each.beside)[:MOST]


def _beside(results: Collected, metric: str, value: Value) -> list[tuple[str, str]]:
    """The best baseline's figure, and those of real data and of the aggregate posterior."""
    others: dict[str, Value] = {}
    for row, values in results.rows.items():
        for name, each in values.items():
            if row != "model" and column_of(name, each) == metric and each.value is not None:
                others[row] = each
    sign = 1 if value.better == "higher" else -1
    models = [row for row in (*results.about, *discover().names("baselines")) if row in others]
    chosen = [max(models, key=lambda row: sign * (others[row].value or 0.0))] if models else []
    chosen += [row for row in BESIDE if row in others]
    told = [(results.title_of(row), format_value(others[row])) for row in chosen]
    if models:
        told[0] = (f"best baseline, {told[0][0]}", told[0][1])
    published = [
        (f"published, {source}", f"{figures[metric]:g}")
        for source, figures in results.published.items()
        if metric in figures
    ]
    return told + published
