"""Goals: control energies of the decoded destination, and two ways there without a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lebm_core.control.base import Control, Term
from lebm_core.control.controls import Function
from lebm_core.control.heads import PropertyHead
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.networks.paths import TrajectoryDecoder

__all__ = ["Goal", "goal", "goal_control", "to_goal"]

GOAL_SD = 0.2  # metres


class Goal(Control):
    """The trajectory ends near a point: g(z, past) = log N(goal; destination, sd^2) + const.

    It takes effect once it is bound to a model and its data.

    Args:
        ahead: first coordinate of the goal in each agent's own coordinates, in the unit of the
            recording: with data.heading, the distance ahead of where it was last seen.
        aside: second coordinate; in metres, to the left.
        strength: lambda.
        sd: standard deviation about the goal at strength 1, metres.
    """

    def __init__(
        self, ahead: float, aside: float, strength: float = 1.0, sd: float = GOAL_SD
    ) -> None:
        self.point, self.strength, self.sd = (ahead, aside), strength, sd

    def bind(self, model: LatentModel, dataset: Dataset) -> Control:
        if not isinstance(dataset, TrajectoryDataset) or not isinstance(
            model.decoder, TrajectoryDecoder
        ):
            raise UsageError(
                "A goal needs a model with the decoder trajectories, not "
                f"{type(model.decoder).__name__}."
            )
        point = torch.tensor([self.point]) / dataset.scale
        sd = self.sd * dataset.metre / dataset.scale
        return goal_control(model.decoder, point, 1, sd, self.strength)

    def term(
        self, n_classes: int, classes: Sequence[str], heads: Mapping[str, PropertyHead]
    ) -> Term:
        raise UsageError("A goal is in the unit of the data: call bind(model, dataset) first.")


def goal(sign: str, value: str, strength: float) -> Goal:
    """Make the control of --control goal=3.2,1.5: where a trajectory ends, ahead and to the left.

    Raises:
        UsageError: for anything but two numbers after "=".
    """
    try:
        ahead, aside = (float(part) for part in value.split(","))
    except ValueError:
        ahead = aside = math.nan
    if sign != "=" or not (math.isfinite(ahead) and math.isfinite(aside)):
        raise UsageError(
            f'"goal{sign}{value}" is no goal; use goal=AHEAD,LEFT such as goal=3.2,1.5.'
        )
    return Goal(ahead, aside, strength)


def goal_control(
    decoder: TrajectoryDecoder, goals: Tensor, draws: int, sd: float, strength: float
) -> Function:
    """Make the control g(z, past) = log N(goal; decoded destination, sd^2), up to a constant.

    Args:
        decoder: of the model.
        goals: (n, 2), one for each agent, in its own coordinates and the data's unit of length.
        draws: codes of each agent, agent by agent, as `controlled_means` draws them.
        sd: standard deviation about the goal, in the same unit.
        strength: lambda.
    """
    repeated = goals.repeat_interleave(draws, 0)

    def g(z: Tensor, context: Tensor) -> Tensor:
        end = decoder.destination(z, context[::draws])  # each past is encoded once
        return -0.5 * ((end - repeated.to(end)) / sd).square().sum(-1)

    return Function(g, strength, "goal", with_context=True)


def to_goal(last: Tensor, step: Tensor, goals: Tensor, predicted: int) -> tuple[Tensor, Tensor]:
    """Go to a goal without a model, in two ways, (n, 1, predicted, 2) each.

    A straight line that arrives in time, and constant velocity turned towards the goal, which
    keeps its pace and may miss.

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
    line, constant = (last[:, None] + times * each for each in (way / predicted, turned))
    return line[:, None], constant[:, None]
