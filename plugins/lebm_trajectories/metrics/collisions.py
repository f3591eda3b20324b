"""trajectories.collisions: how often predicted agents come close to each other."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.windows import apart
from lebm_trajectories.prediction import MOST_DRAWS, futures

__all__ = ["CLOSE", "collide", "collisions"]

CLOSE = 0.2  # metres


def collisions(*, collision_draws: int = 20) -> Metric:
    """Metric trajectories.collisions: how often predicted agents collide.

    Args:
        collision_draws: futures of each window
    """
    whole("evaluation.collision_draws", collision_draws, 1, MOST_DRAWS)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(TrajectoryDataset, "trajectories.collisions")
        split = evaluation.split
        rows = torch.arange(data.length(split))
        drawn = futures(evaluation.model, data, split, rows, collision_draws, evaluation.generator)
        real = data.windows[split].positions[:, data.options.observed :]
        group = data.windows[split].group
        close = CLOSE * data.metre
        definition = (
            f"share of agents that come within {close:.3g} {data.unit} of another of their window "
            "at a predicted step"
        )
        shares = collide(drawn, group, close).mean(1)
        values = {"collision_rate": Value.mean(shares, split, definition, better="lower")}
        if evaluation.name == "model":
            met = collide(real[:, None], group, close).squeeze(1)
            really = Value.mean(met, split, definition, better="lower")
            values |= in_row("real", {"collision_rate": really})
        return values

    return metric


def collide(paths: Tensor, group: Tensor, close: float) -> Tensor:
    """Find whether each agent (N, K, T, 2) comes close to one of its group, by draw: (N, K)."""
    result = torch.zeros(paths.shape[:2])
    order = group.argsort(stable=True)
    counts = group[order].unique_consecutive(return_counts=True)[1].tolist()
    for members in order.split(counts):
        if len(members) < 2:
            continue
        p = paths[members].permute(1, 2, 0, 3)  # (K, T, m, 2)
        distance = apart(p, p)
        distance.diagonal(dim1=2, dim2=3).fill_(torch.inf)
        result[members] = (distance < close).any(-1).any(1).T.float()
    return result
