"""The figures of a run, gathered from its parts' files: rows (model, controls, real) by metric."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lebm_core.base.files import write_atomically
from lebm_core.evaluation.evaluation import MetricResult
from lebm_core.evaluation.values import Value
from lebm_core.run.old.recipe import Recipe

__all__ = ["Collected", "ROW_TITLES", "Results", "collect", "conditions", "write_results"]

Results = dict[str, dict[str, Value]]
ROW_TITLES = {
    "real": "real data",
    "aggregate": "aggregate posterior",
    "reference": "same decoder, f = 0",
    "logistic": "logistic regression on x, labels alone",
    "self_training": "self-training on x",
    "spreading": "label spreading on x",
    "codes_spreading": "label spreading on a VAE's codes",
    "random": "the model's classes handed out at random",
    "k_means": "k-means on x",
}


@dataclass
class Collected:
    """What `metrics.json` holds.

    Attributes:
        rows: "model", each control, those of `ROW_TITLES` -> metric -> value.
        figures: (row, path relative to the run, caption).
        seconds: by part and metric.
        training: steps, epochs, device, parameters and warnings by part.
        published: rows of published figures, from the recipe.
        complete: whether every part is trained and every metric has run.
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


def conditions(value: Value) -> str:
    """On what a value rests, in a phrase: split, sample count, settings."""
    extra = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in value.extra.items()}
    facts = [value.split, f"n = {value.n}" if value.n else ""]
    return "; ".join(filter(None, [*facts, *(f"{k} {v}" for k, v in extra.items())]))


def collect(folder: Path, recipe: Recipe) -> Collected:
    """Gathers what the parts of a run have written so far."""
    found = Collected(recipe.name, recipe.preset, recipe.seed, {})
    found.published = dict(recipe.published)
    found.summary, found.expected = recipe.summary, recipe.expected
    found.complete = True
    apart: Results = {row: {} for row in ROW_TITLES}
    for row in ("model", *recipe.controls):
        part = folder if row == "model" else folder / "controls" / row
        training = part / "training.json"
        if training.is_file():
            found.training[row] = json.loads(training.read_text(encoding="utf-8"))
            found.seconds[row] = round(float(found.training[row]["seconds"]), 1)
        else:
            found.complete = False
        values: dict[str, Value] = {}
        own = recipe.controls.get(row, {}).get("evaluation.metrics")
        for metric in [*(recipe.evaluation.get("metrics", []) if own is None else own), "figures"]:
            result = MetricResult.read(part / "evaluation" / f"{metric}.json")
            if result is None:
                found.complete = False
                continue
            found.seconds[f"{row}/{metric}"] = round(result.seconds, 1)
            for key, value in result.values.items():
                prefix, _, rest = key.partition("/")
                if rest and prefix in apart:
                    apart[prefix].setdefault(rest, value)
                else:
                    values[key] = value
            inner = part.relative_to(folder)
            found.figures += [(row, str(inner / file), text) for file, text in result.figures]
        if values or training.is_file():
            found.rows[row] = values
    found.rows |= {row: values for row, values in apart.items() if values}
    return found


def write_results(
    folder: Path, results: Collected | dict[str, Any], name: str = "metrics.json"
) -> None:
    """Writes `metrics.json`, or other facts, as a whole or not at all."""
    content = dataclasses.asdict(results) if isinstance(results, Collected) else results
    write_atomically(folder / name, json.dumps(content, indent=1) + "\n")
