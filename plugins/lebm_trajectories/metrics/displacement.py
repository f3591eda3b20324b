"""trajectories.displacement: the best of 20 predicted futures.

Sources: Gupta et al. 2018, arXiv 1803.10892 (best of 20, the windows); Pang et al. 2021, arXiv
2104.03086 (LB-EBM).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.networks.paths import goal_steps
from lebm_trajectories.prediction import MOST_DRAWS, futures, representatives

__all__ = ["displacement"]

PUBLISHED_GOALS = 4
TURNED = 25 * math.pi / 180  # standard deviation of the baseline that walks on at a random angle
CHOSEN_AT_ONCE = 100_000  # futures


def displacement(*, draws: int = 20, chosen_of: int = 100) -> Metric:
    """Metric trajectories.displacement: the best of 20, by the standard and as published.

    Args:
        draws: futures of each agent
        chosen_of: draws of which as many representatives are chosen; 0 not to choose any
    """
    whole("evaluation.draws", draws, 1, MOST_DRAWS)
    if chosen_of:
        whole("evaluation.chosen_of", chosen_of, draws, MOST_DRAWS)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(TrajectoryDataset, "trajectories.displacement")
        split = evaluation.split
        rows = torch.arange(data.length(split))
        o, unit = data.options, data.unit
        real = data.windows[split].positions[:, o.observed :]
        drawn = futures(evaluation.model, data, split, rows, draws, evaluation.generator)
        values = {
            f"minADE_{draws}": _best(drawn, real, split, unit, "mean over the steps"),
            f"minFDE_{draws}": _best(drawn[:, :, -1:], real[:, -1:], split, unit, "last step"),
            **_as_published(drawn, real, goal_steps(o.predicted, _goals(o.predicted)), split, unit),
            "ADE_mean": Value.mean(
                (drawn - real[:, None]).norm(dim=-1).mean((1, 2)), split,
                f"mean error of all {draws} futures, {unit}", better="lower",
            ),
        }  # fmt: skip
        if chosen_of:
            few = _representatives(evaluation, data, rows, draws, chosen_of)
            how = f"chosen of {chosen_of} by k-means, "
            suffix = f"{draws}_of_{chosen_of}"
            values |= {
                f"minADE_{suffix}": _best(few, real, split, unit, how + "mean over the steps"),
                f"minFDE_{suffix}": _best(few[:, :, -1:], real[:, -1:], split, unit, how + "last"),
            }
        if evaluation.name == "model":
            values |= _constant_velocity(data, split, draws, evaluation.generator)
        return values

    return metric


def _goals(predicted: int) -> int:
    return min(PUBLISHED_GOALS, predicted)


def _as_published(
    drawn: Tensor, real: Tensor, goals: list[int], split: str, unit: str
) -> dict[str, Value]:
    """Measure the one future whose sub-goals are nearest together, as the published code does."""
    off = (drawn[:, :, goals] - real[:, None, goals]).square().sum((2, 3))
    chosen = drawn[torch.arange(len(drawn)), off.argmin(1)]
    error = (chosen - real).norm(dim=-1)
    how = f"of the one future of {drawn.shape[1]} whose {len(goals)} sub-goals are nearest together"
    return {
        "ADE_as_published": Value.mean(
            error.mean(1), split, f"mean error {how}, {unit}", better="lower"
        ),
        "FDE_as_published": Value.mean(
            error[:, -1], split, f"error at the last step {how}, {unit}", better="lower"
        ),
    }


def _representatives(
    evaluation: Evaluation, data: TrajectoryDataset, rows: Tensor, k: int, of: int
) -> Tensor:
    """Choose k representatives of `of` futures of each agent, (n, k, T, 2), in bounded memory."""
    generator = torch.Generator().manual_seed(evaluation.seed)
    chosen = []
    for part in rows.split(max(1, CHOSEN_AT_ONCE // of)):
        drawn = futures(evaluation.model, data, evaluation.split, part, of, evaluation.generator)
        chosen.append(representatives(drawn, k, generator))
    return torch.cat(chosen)


def _best(drawn: Tensor, real: Tensor, split: str, unit: str, what: str) -> Value:
    error = (drawn - real[:, None]).norm(dim=-1).mean(2).amin(1)
    text = f"least error of {drawn.shape[1]} futures, {what}, {unit}"
    return Value.mean(error, split, text, better="lower")


def _constant_velocity(
    data: TrajectoryDataset, split: str, draws: int, generator: torch.Generator
) -> dict[str, Value]:
    """Measure constant velocity, and the best of several random angles (Schoeller et al. 2020)."""
    windows, o, unit = data.windows[split].positions, data.options, data.unit
    last, real = windows[:, o.observed - 1], windows[:, o.observed :]
    step = last - windows[:, o.observed - 2]
    times = torch.arange(1, o.predicted + 1)[:, None]
    shape = (len(step), draws)
    angle = TURNED * torch.randn(shape, generator=generator, device=generator.device).cpu()
    c, s = angle.cos(), angle.sin()
    x, y = step[:, :1], step[:, 1:]
    turned = torch.stack([c * x - s * y, s * x + c * y], dim=-1)  # (N, draws, 2)
    drawn = last[:, None, None] + times * turned[:, :, None]
    error = (last[:, None] + times * step[:, None] - real).norm(dim=-1)
    return {
        "constant_velocity_ADE": Value.mean(
            error.mean(1), split, f"as in the last step, {unit}", better="lower"
        ),
        "constant_velocity_FDE": Value.mean(
            error[:, -1], split, f"the same, last step, {unit}", better="lower"
        ),
        f"constant_velocity_minADE_{draws}": _best(
            drawn, real, split, unit, "mean over the steps, going on at an angle of 25 degrees s.d."
        ),
        f"constant_velocity_minFDE_{draws}": _best(
            drawn[:, :, -1:], real[:, -1:], split, unit, "last step, likewise"
        ),
    }  # fmt: skip
