"""Goals: an energy that draws the decoded end to a point, and two plain ways to get there."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.control.controls import Function
from lebm_trajectories.networks.paths import TrajectoryDecoder

__all__ = ["goal_control", "to_goal"]


def goal_control(
    decoder: TrajectoryDecoder, goals: Tensor, draws: int, sd: float, strength: float
) -> Function:
    """g(z, past) = log N(goal; decoded destination, sd^2), but for a constant.

    Args:
        decoder: of the model.
        goals: (n, 2), one for each agent, in its own coordinates and the data's unit of length.
        draws: codes of each agent, agent by agent, as `controlled_means` draws them.
        sd: standard deviation about the goal, in the same unit.
        strength: lambda.
    """
    wanted = goals.repeat_interleave(draws, 0)

    def g(z: Tensor, context: Tensor) -> Tensor:
        end = decoder.destination(z, context[::draws])  # each past is read once
        return -0.5 * ((end - wanted.to(end)) / sd).square().sum(-1)

    return Function(g, strength, "goal", with_context=True)


def to_goal(last: Tensor, step: Tensor, goals: Tensor, predicted: int) -> tuple[Tensor, Tensor]:
    """Two plain ways towards a goal, (n, 1, predicted, 2): a straight line that is there in time,
    and constant velocity turned to it, which keeps its pace and may miss.

    Args:
        last: (n, 2) where each agent was last seen.
        step: (n, 2) its last step.
        goals: (n, 2).
        predicted: steps.
    """
    times = torch.arange(1, predicted + 1)[:, None]
    way = (goals - last)[:, None]
    pace = step.norm(dim=-1)[:, None, None]
    turned = pace * way / way.norm(dim=-1, keepdim=True).clamp(min=1e-9)
    line, kept = (last[:, None] + times * each for each in (way / predicted, turned))
    return line[:, None], kept[:, None]
