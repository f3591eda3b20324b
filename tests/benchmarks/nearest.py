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
from sklearn.neighbors import NearestNeighbors

from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load


def accuracy(a: np.ndarray, b: np.ndarray) -> float:
    """The share of points whose nearest neighbour is of their own sample."""
    x, y = np.concatenate([a, b]), np.repeat([0, 1], [len(a), len(b)])
    nearest = NearestNeighbors(n_neighbors=2).fit(x).kneighbors(x)[1][:, 1]
    return float((y[nearest] == y).mean())


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
    for name, x in found.items():
        value = dataset.log_prob(torch.tensor(x, dtype=torch.float32)).mean()
        print(f"| {name} | {accuracy(x, real):.3f} | {float(value):.3f} |")


if __name__ == "__main__":
    main()
