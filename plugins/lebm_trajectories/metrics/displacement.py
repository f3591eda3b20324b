"""How good predicted futures are: the best of 20, and collisions.

Sources: Gupta et al. 2018, arXiv 1803.10892 (best of 20, the windows); Pang et al. 2021, arXiv
2104.03086 (LB-EBM).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.windows import apart
from lebm_trajectories.networks.paths import goal_steps
from lebm_trajectories.prediction import futures, representatives

__all__ = ["Metric", "at_least", "collisions", "displacement", "mean_of", "trajectories_of"]

Metric = Callable[[Evaluation], Mapping[str, Value]]
PUBLISHED_GOALS = 4
TURNED = 25 * math.pi / 180  # of the baseline that walks on at a random angle
CLOSE = 0.2  # metres
CHOSEN_AT_ONCE = 100_000  # futures


def trajectories_of(evaluation: Evaluation) -> TrajectoryDataset:
    """The data set, which these metrics need to be one of trajectories."""
    data = evaluation.dataset
    if not isinstance(data, TrajectoryDataset):
        kind = type(data).__name__
        raise UsageError(f"The metrics of trajectories need trajectories, not {kind}.")
    return data


def at_least(name: str, value: int, least: int) -> None:
    """Refuses an option of [evaluation] before anything is trained."""
    if value < least:
        raise UsageError(f"evaluation.{name} = {value} must be at least {least}.")


def mean_of(values: Tensor, split: str, definition: str) -> Value:
    """The mean over agents (N,); windows overlap, so the standard error is too small."""
    n = len(values)
    error = float(values.std()) / n**0.5 if n > 1 else None
    return Value(float(values.mean()), error, n, split, definition)


def displacement(*, draws: int = 20, chosen_of: int = 100) -> Metric:
    """The metric trajectories.displacement: the best of 20, by the standard and as published.

    Args:
        draws: futures of each agent
        chosen_of: draws that as many representatives are chosen of; 0 not to choose any
    """

    at_least("draws", draws, 1)
    if chosen_of:
        at_least("chosen_of", chosen_of, draws)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = trajectories_of(evaluation), evaluation.split
        rows = torch.arange(data.length(split))
        o, unit = data.options, data.unit
        real = data.windows[split].positions[:, o.observed :]
        drawn = futures(evaluation.model, data, split, rows, draws, evaluation.generator)
        values = {
            f"minADE_{draws}": _best(drawn, real, split, unit, "mean over the steps"),
            f"minFDE_{draws}": _best(drawn[:, :, -1:], real[:, -1:], split, unit, "last step"),
        }
        goals = goal_steps(o.predicted, min(PUBLISHED_GOALS, o.predicted))
        off = (drawn[:, :, goals] - real[:, None, goals]).square().sum((2, 3))
        chosen = drawn[torch.arange(len(drawn)), off.argmin(1)]
        error = (chosen - real).norm(dim=-1)
        how = f"of the one future of {draws} whose {len(goals)} sub-goals are nearest together"
        for name, off_by, what in (
            ("ADE_as_published", error.mean(1), "mean error"),
            ("FDE_as_published", error[:, -1], "error at the last step"),
        ):
            values[name] = mean_of(off_by, split, f"{what} {how}, {unit}")
        values["ADE_mean"] = mean_of(
            (drawn - real[:, None]).norm(dim=-1).mean((1, 2)), split,
            f"mean error of all {draws} futures, {unit}",
        )  # fmt: skip
        if chosen_of:
            few = _chosen(evaluation, data, rows, draws, chosen_of)
            how = f"chosen of {chosen_of} by k-means, "
            suffix = f"{draws}_of_{chosen_of}"
            values |= {
                f"minADE_{suffix}": _best(few, real, split, unit, how + "mean over the steps"),
                f"minFDE_{suffix}": _best(few[:, :, -1:], real[:, -1:], split, unit, how + "last"),
            }
        if evaluation.name == "model":
            values |= _walking_on(data, split, draws, evaluation.generator)
        return values

    return metric


def _chosen(
    evaluation: Evaluation, data: TrajectoryDataset, rows: Tensor, k: int, of: int
) -> Tensor:
    """k representatives of `of` futures of each agent, (n, k, T, 2), in bounded memory."""
    chooser = torch.Generator().manual_seed(evaluation.seed)
    found = []
    for some in rows.split(max(1, CHOSEN_AT_ONCE // of)):
        drawn = futures(evaluation.model, data, evaluation.split, some, of, evaluation.generator)
        found.append(representatives(drawn, k, chooser))
    return torch.cat(found)


def _best(drawn: Tensor, real: Tensor, split: str, unit: str, what: str) -> Value:
    error = (drawn - real[:, None]).norm(dim=-1).mean(2).amin(1)
    return mean_of(
        error, split,
        f"least error of {drawn.shape[1]} futures, {what}, {unit}",
    )  # fmt: skip


def _walking_on(
    data: TrajectoryDataset, split: str, draws: int, generator: torch.Generator
) -> dict[str, Value]:
    """Constant velocity, and the best of several at random angles (Schoeller et al. 2020)."""
    windows, o, unit = data.windows[split].positions, data.options, data.unit
    last, real = windows[:, o.observed - 1], windows[:, o.observed :]
    step = last - windows[:, o.observed - 2]
    times = torch.arange(1, o.predicted + 1)[:, None]
    shape = (len(step), draws)
    angle = TURNED * torch.randn(shape, generator=generator, device=generator.device).cpu()
    c, s = angle.cos(), angle.sin()
    x, y = step[:, :1], step[:, 1:]
    turned = torch.stack([c * x - s * y, s * x + c * y], dim=-1)  # (N, draws, 2)
    many = last[:, None, None] + times * turned[:, :, None]
    error = (last[:, None] + times * step[:, None] - real).norm(dim=-1)
    return {
        "constant_velocity_ADE": mean_of(error.mean(1), split, f"as in the last step, {unit}"),
        "constant_velocity_FDE": mean_of(error[:, -1], split, f"the same, last step, {unit}"),
        f"constant_velocity_minADE_{draws}": _best(
            many, real, split, unit, "mean over the steps, going on at an angle of 25 degrees s.d."
        ),
        f"constant_velocity_minFDE_{draws}": _best(
            many[:, :, -1:], real[:, -1:], split, unit, "last step, likewise"
        ),
    }  # fmt: skip


def collisions(*, collision_draws: int = 20) -> Metric:
    """The metric trajectories.collisions: how often predicted agents walk into each other.

    Args:
        collision_draws: futures of each window
    """

    at_least("collision_draws", collision_draws, 1)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = trajectories_of(evaluation), evaluation.split
        rows = torch.arange(data.length(split))
        drawn = futures(evaluation.model, data, split, rows, collision_draws, evaluation.generator)
        real = data.windows[split].positions[:, data.options.observed :]
        group = data.windows[split].group
        close = CLOSE if data.unit == "metres" else CLOSE * data.scale
        definition = (
            f"share of agents that come within {close:.3g} {data.unit} of another of their window "
            "at a predicted step"
        )
        made = _close(drawn, group, close).mean(1)
        values = {"collision_rate": mean_of(made, split, definition)}
        if evaluation.name == "model":
            met = _close(real[:, None], group, close).squeeze(1)
            values["real/collision_rate"] = mean_of(met, split, definition)
        return values

    return metric


def _close(paths: Tensor, group: Tensor, close: float) -> Tensor:
    """Whether each agent (N, K, T, 2) comes close to one of its group, in each draw: (N, K)."""
    found = torch.zeros(paths.shape[:2])
    order = group.argsort(stable=True)
    counts = group[order].unique_consecutive(return_counts=True)[1].tolist()
    for members in order.split(counts):
        if len(members) < 2:
            continue
        p = paths[members].permute(1, 2, 0, 3)  # (K, T, m, 2)
        distance = apart(p, p)
        distance.diagonal(dim1=2, dim2=3).fill_(torch.inf)
        found[members] = (distance < close).any(-1).any(1).T.float()
    return found
