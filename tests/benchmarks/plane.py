"""Every row of some runs of points in the plane, beside test points and the true density.

Run it by `python tests/benchmarks/plane.py RUN...`, of recipes of points whose density is known.

Likelihoods, modes and seconds are those of the runs' own metrics. Of samples it adds the energy
distance to test points (Szekely and Rizzo 2013), 0 for the same density; the 1-nearest-neighbour
accuracy, leaving one out, 1/2 for the same density (Lopez-Paz and Oquab, ICLR 2017), which sees
what a trained network does not; and the mean of their true log-density.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_core.evaluation.two_sample import energy_distance, neighbour_accuracy
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_core.run.report.numbers import format_value
from lebm_core.run.report.results import Collected, collect

OWN = ("below_truth", "within_3sd", "smallest_mode")
HEADING = (
    "recipe", "row", "below the truth, nats", "within 3 sd of a mode", "rarest mode",
    "energy distance", "1-NNA", "true log p of samples", "training, s",
)  # fmt: skip


def samples_of(run: Path) -> Iterator[tuple[str, Tensor]]:
    """The samples (N, 2) of the model and of each baseline."""
    for folder in [run, *sorted((run / "baselines").glob("*"))]:
        file = folder / "samples.csv"
        if file.is_file():
            drawn = np.loadtxt(file, delimiter=",", skiprows=1, dtype=np.float32)
            yield "model" if folder == run else folder.name, torch.from_numpy(drawn)


def compared(dataset: Any, x: Tensor, real: Tensor) -> list[str]:
    """Energy distance, nearest neighbours and true log-density of samples, as cells."""
    n = min(len(x), len(real))
    x, real = x[:n], real[:n]
    accuracy = float(neighbour_accuracy(x, real).double().mean())
    true = float(dataset.log_prob(x).mean())
    return [f"{float(energy_distance(x, real)):.4f}", f"{accuracy:.3f}", f"{true:.3f}"]


def own(results: Collected, row: str) -> list[str]:
    """What the run has measured of a row, as cells; empty where it has not."""
    values = results.rows.get(row, {})
    return [format_value(values[name]) if name in values else "" for name in OWN]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--points", type=int, default=5000)
    options = parser.parse_args()
    print("| " + " | ".join(HEADING) + " |\n" + "|---" * len(HEADING) + "|")
    for run in options.runs:
        recipe = load(run / "recipe.toml")
        dataset: Any = build_dataset(recipe, None)
        results = collect(run, recipe)
        rows = torch.arange(options.points)
        real = dataset.batch("test", rows).x
        bound = ["", "", "", *compared(dataset, dataset.batch("valid", rows).x, real), ""]
        found = {"validation points": bound}
        for name, x in samples_of(run):
            seconds = results.training.get(name, {}).get("seconds")
            told = "" if seconds is None else f"{seconds:.0f}"
            cells = compared(dataset, x[: options.points], real)
            found[name] = [*own(results, name), *cells, told]
        for name, row in found.items():
            print("| " + " | ".join([recipe.name, name, *row]) + " |", flush=True)


if __name__ == "__main__":
    main()
