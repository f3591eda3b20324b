"""energies.points: how like the data clouds of points are, by the Chamfer distance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.clouds import CloudData
from lebm_energies.metrics.features import ANCESTRAL, ancestral, class_values, feature_values
from lebm_energies.metrics.neighbours import neighbour_values

__all__ = ["build", "chamfer"]

PAIRS = 300  # clouds whose distances are computed together


def build(*, clouds: int = 150, labels: int = 5) -> Metric:
    """Metric energies.points.

    Args:
        clouds: samples, and as many test clouds, that are compared.
        labels: examples of each class that classifiers of features learn from; 0 for none.

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.clouds", clouds, 2)
    whole("evaluation.labels", labels)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(CloudData, "energies.points")
        split, generator = evaluation.split, evaluation.generator
        n = min(clouds, len(evaluation.samples), data.length(split))
        test = data.all(split, n).x
        values = _compared(evaluation.samples[:n].cpu(), test, split, generator)
        given = ancestral(evaluation, data, n)
        if given is not None:
            of_classes = _compared(given, test, split, generator)
            values |= in_row(f"{evaluation.name}-given-y", of_classes, ANCESTRAL)
        train = data.all("train", n).x
        if evaluation.name == "model" and len(train) == n:
            real = _compared(train, test, split, generator)
            values |= in_row("real", real, "training clouds")
        values |= class_values(evaluation, data, flat=_sorted)
        values |= feature_values(evaluation, data, labels, flat=_sorted)
        return values

    return metric


def chamfer(a: Tensor, b: Tensor) -> Tensor:
    """Chamfer distances of clouds (n, P, c) and (m, Q, c), (n, m).

    The mean squared distance of the points of one to the nearest of the other, both ways, added.
    """
    rows = []
    for part in a.split(max(1, PAIRS // max(1, len(b)))):
        square = (
            part.square().sum(-1)[:, None, :, None] + b.square().sum(-1)[None, :, None, :]
            - 2 * torch.einsum("ipc,jqc->ijpq", part, b)
        )  # fmt: skip
        square = square.clamp(min=0)
        rows.append(square.amin(3).mean(2) + square.amin(2).mean(2))
    return torch.cat(rows)


def _compared(
    samples: Tensor, test: Tensor, split: str, generator: torch.Generator
) -> dict[str, Value]:
    values = neighbour_values(
        chamfer(samples, samples), chamfer(test, test), chamfer(samples, test), split,
        "the Chamfer distance", generator,
    )  # fmt: skip
    spread = samples.std((1, 2)) if len(samples) else samples.new_zeros(0)
    return {
        **values,
        "spread": Value.mean(spread, "samples", "standard deviation of the coordinates of a cloud"),
    }


def _sorted(x: Tensor) -> Tensor:
    """Each coordinate of a cloud in order, (B, P c): a view that no order of points changes."""
    return x.sort(1).values.flatten(1)
