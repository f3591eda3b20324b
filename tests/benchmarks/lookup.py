"""AUPRC of a held-out digit without a model: the distance to the nearest training images.

Run it by `LEBM_DATA=DIR python tests/benchmarks/lookup.py [DIGIT...]`. Distances are Euclidean, in
the 50 principal components of the training images; the error is that of their reconstruction.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor

from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load

COMPONENTS, NEIGHBOURS = 50, (1, 10)


def areas(digit: int) -> list[float]:
    """AUPRC by the nearest, by the mean of the ten nearest, and by the error of reconstruction."""
    recipe = load("anomaly-mnist-ladder", preset="cpu", overrides=[f"data.held_out={digit}"])
    data = build_dataset(recipe, None)
    train, test = (
        torch.cat([batch.x.flatten(1) for batch in data.batches(split, 2000)])
        for split in ("train", "test")
    )
    strange = torch.cat([torch.as_tensor(batch.y) for batch in data.batches("test", 2000)])
    torch.manual_seed(0)  # the components are found by random projections
    mean = train.mean(0)
    axes = torch.pca_lowrank(train - mean, COMPONENTS, niter=4)[2]
    known, asked = (train - mean) @ axes, (test - mean) @ axes
    near = [
        torch.cdist(part, known).topk(max(NEIGHBOURS), largest=False).values
        for part in asked.split(500)
    ]
    scores: list[Tensor] = [torch.cat(near)[:, :k].mean(1) for k in NEIGHBOURS]
    scores.append((test - mean - asked @ axes.T).norm(dim=1))
    return [float(average_precision_score(strange, score)) for score in scores]


def main(digits: Sequence[int]) -> None:
    print("| held-out | nearest | ten nearest | reconstruction |\n|---|---|---|---|")
    for digit in digits:
        print(
            f"| {digit} | " + " | ".join(f"{area:.3f}" for area in areas(digit)) + " |", flush=True
        )


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [1, 4, 5, 7, 9])
