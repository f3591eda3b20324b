"""Milliseconds a sample of every row of some runs, in one process and on one core.

Run it by `python tests/benchmarks/draws.py RUN...`. Samples are drawn as `lebm sample` draws them,
`--samples` at once after a first one; the time is the processor's, least of `--repeats`, so that
other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from lebm_core.data.dataset import Dataset
from lebm_core.models.base import Model
from lebm_core.run.artifacts import load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_core.run.draw import draw_samples


def rows(run: Path) -> Iterator[tuple[str, Path]]:
    """The folder of the model and of each baseline that has one, by its name in a table."""
    yield "model", run
    for folder in sorted((run / "baselines").glob("*")):
        if (folder / "model").is_dir():
            yield folder.name, folder


def milliseconds(model: Model, dataset: Dataset, n: int, repeats: int) -> float:
    """The least processor time of one of n samples that are drawn at once."""
    draw_samples(model, dataset, 1, seed=0)
    least = float("inf")
    for seed in range(repeats):
        began = time.process_time()
        draw_samples(model, dataset, n, seed=seed)
        least = min(least, time.process_time() - began)
    return 1000 * least / n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| recipe | row | ms a sample, {options.samples} at once |\n|---|---|---|")
    for run in options.runs:
        recipe = load(run / "recipe.toml")
        dataset = build_dataset(recipe, options.data_dir)
        for name, folder in rows(run):
            spent = milliseconds(load_model(folder), dataset, options.samples, options.repeats)
            print(f"| {recipe.name} | {name} | {spent:.3g} |", flush=True)


if __name__ == "__main__":
    main()
