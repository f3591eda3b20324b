"""Samples of the plane beside test points: by nearest neighbours, and under the true density.

Run it by `python tests/benchmarks/nearest.py RUN`, of a recipe of points whose density is known.

The 1-nearest-neighbour accuracy of samples and test points, leaving one out, is 1/2 for one density
(Lopez-Paz and Oquab, ICLR 2017); it sees what the network of the metric prior-codes does not.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from lebm_core.evaluation.two_sample import neighbour_accuracy
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--points", type=int, default=5000)
    options = parser.parse_args()
    dataset = build_dataset(load(options.run / "recipe.toml"), None)
    rows = torch.arange(options.points)
    real = dataset.batch("test", rows).x.numpy()
    found = {"validation points": dataset.batch("valid", rows).x.numpy()}
    for folder in [options.run, *sorted((options.run / "baselines").glob("*"))]:
        drawn = np.loadtxt(folder / "samples.csv", delimiter=",", skiprows=1)[: options.points]
        found["model" if folder == options.run else folder.name] = drawn
    print("| row | 1-nearest-neighbour accuracy | true log p of its samples, mean |\n|---|---|---|")
    for name, points in found.items():
        x = torch.tensor(points, dtype=torch.float32)
        accuracy = neighbour_accuracy(x, torch.from_numpy(real)).double().mean()
        print(f"| {name} | {float(accuracy):.3f} | {float(dataset.log_prob(x).mean()):.3f} |")


if __name__ == "__main__":
    main()
