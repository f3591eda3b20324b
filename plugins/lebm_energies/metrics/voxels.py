"""energies.voxels: how like the data samples of solids are, and what the model fills in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.solids import OCCUPIED, SolidData
from lebm_energies.metrics.features import ANCESTRAL, ancestral, class_values, feature_values
from lebm_energies.metrics.neighbours import neighbour_values
from lebm_energies.metrics.recovery import filled_solids

__all__ = ["build", "distances"]


def build(
    *,
    recovered: int = 60,
    known: float = 0.3,
    steps: int = 100,
    completions: int = 8,
    labels: int = 5,
) -> Metric:
    """Metric energies.voxels: likeness, completion, super-resolution and classes of solids.

    Args:
        recovered: test solids of which voxels are filled in, from a share of them at random
            (completion) and from a grid of half the resolution (super-resolution); 0 for none.
        known: share of their voxels that is known, of completion.
        steps: of the chains that fill in, of a prior without levels of noise.
        completions: draws whose mean is a row of its own; 0 for none.
        labels: examples of each class that classifiers of features learn from; 0 for none.

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.recovered", recovered)
    whole("evaluation.steps", steps, 1)
    whole("evaluation.completions", completions)
    whole("evaluation.labels", labels)
    if not 0 < known < 1:
        raise UsageError(f"evaluation.known = {known} is not possible; use a share in (0, 1).")

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(SolidData, "energies.voxels")
        values: dict[str, Value] = {}
        samples = occupied(evaluation.samples)
        values |= _likeness(evaluation, data, samples)
        values |= filled_solids(evaluation, data, recovered, known, steps, completions)
        values |= class_values(evaluation, data)
        values |= feature_values(evaluation, data, labels)
        return values

    return metric


def occupied(x: Tensor) -> Tensor:
    """Which voxels are occupied, (B, voxels), as 0 and 1."""
    return (x.flatten(1) > OCCUPIED).float().cpu()


def distances(a: Tensor, b: Tensor) -> Tensor:
    """1 - occupancy overlap (intersection over union) of solids (n, d) and (m, d), (n, m)."""
    both = a @ b.T
    either = a.sum(1)[:, None] + b.sum(1) - both
    overlap = both / either.clamp(min=1)
    return 1 - torch.where(either > 0, overlap, torch.ones(()))  # two empty solids are equal


def _likeness(evaluation: Evaluation, data: SolidData, samples: Tensor) -> dict[str, Value]:
    split = evaluation.split
    test, train = occupied(data.all(split).x), occupied(data.all("train").x)
    n = min(len(samples), len(test))
    values = _compared(samples[:n], test[:n], train, split, evaluation.generator)
    given = ancestral(evaluation, data, n)
    if given is not None:
        of_classes = _compared(occupied(given), test[:n], train, split, evaluation.generator)
        values |= in_row(f"{evaluation.name}-given-y", of_classes, ANCESTRAL)
    if evaluation.name == "model":
        # Training solids in the place of samples; their own nearest is looked for among others.
        rows = torch.arange(len(train)) % 2 == 0
        drawn, others = train[rows][:n], train[~rows]
        if len(drawn) == n and len(others):
            real = _compared(drawn, test[:n], others, split, evaluation.generator)
            values |= in_row("real", real, "training solids")
    return values


def _compared(
    samples: Tensor, test: Tensor, train: Tensor, split: str, generator: Any
) -> dict[str, Value]:
    across = distances(samples, test)
    near = distances(samples, train).amin(1)
    return {
        **neighbour_values(
            distances(samples, samples), distances(test, test), across, split,
            "1 - occupancy overlap", generator,
        ),
        "overlap_test": Value.mean(
            1 - across.amin(1), "samples",
            "occupancy overlap (IoU) of a sample with the nearest test solid", better="higher",
        ),
        "overlap_train": Value.mean(
            1 - near, "samples",
            "occupancy overlap (IoU) of a sample with the nearest training solid; 1 is a copy",
        ),
        "occupied": Value.mean(samples.mean(1), "samples", "share of occupied voxels"),
    }  # fmt: skip
