"""Decoder of a future from z and the past by way of a plan, and encoder of a future.

After Pang et al., "Trajectory prediction with latent belief energy-based model", CVPR 2021, arXiv
2104.03086: z is the belief about the whole future, a plan of sub-goals is decoded from it, and the
path from the plan. Social pooling is attention over the neighbours that are there, the same in
training and in prediction. All nets compute in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.errors import UsageError
from lebm_trajectories.data.dataset import NEIGHBOUR

__all__ = [
    "PastNet",
    "TrajectoryDecoder",
    "TrajectoryEncoder",
    "check_widths",
    "goal_steps",
    "perceptron",
]


def goal_steps(predicted: int, goals: int) -> list[int]:
    """The steps, from 0, at which the sub-goals are: evenly, the last one at the end."""
    return [round((i + 1) * predicted / goals) - 1 for i in range(goals)]


def perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class PastNet(nn.Module):
    """The context (B, c) as features (B, width): the own past, and what the neighbours do.

    Args:
        observed: steps of the past.
        neighbours: K.
        width: of the features.
        hidden: width of the hidden layers.
    """

    def __init__(self, observed: int, neighbours: int, width: int, hidden: int) -> None:
        super().__init__()
        self.own = 2 * (observed - 1)
        self.neighbours = neighbours
        self.past = perceptron(self.own, [hidden], width)
        if neighbours:
            self.near = perceptron(NEIGHBOUR - 1 + width, [hidden], width)
            self.weight = nn.Linear(width, 1)

    def forward(self, context: Tensor) -> Tensor:
        """(B, width)."""
        features: Tensor = self.past(context[:, : self.own])
        if not self.neighbours:
            return features
        told = context[:, self.own :].unflatten(1, (self.neighbours, NEIGHBOUR))
        there = told[..., 0] > 0
        mine = features[:, None].expand(-1, self.neighbours, -1)
        each = self.near(torch.cat([told[..., 1:], mine], dim=-1)).relu()
        logits = self.weight(each).squeeze(-1).masked_fill(~there, -torch.inf)
        # One more place, of weight exp(0), for looking at nobody: alone it is all there is.
        share = torch.cat([logits, logits.new_zeros(len(logits), 1)], 1).softmax(1)[:, :-1]
        looked: Tensor = (share[..., None] * each).sum(1)
        return features + looked


class TrajectoryDecoder(Decoder):
    """p(x | z, past): a Gaussian about a path through the sub-goals of a plan.

    The plan is where the agent is at a few steps, the last one its destination, told as a
    departure from walking on as before. The path is the straight line between the sub-goals, and
    at the steps between them a correction.

    Args:
        latent_dim: d.
        observed: steps of the past.
        predicted: steps of the future.
        neighbours: agents in the context.
        goals: sub-goals of the plan.
        features: width of what is known of the past.
        hidden: widths of the hidden layers of the plan.
        path_hidden: of those of the path.
        sigma: standard deviation of a coordinate, in the data's unit of length.
        learn_sigma: learn one for each step.

    Raises:
        UsageError: for a sigma that is not positive, or more sub-goals than steps.
    """

    def __init__(
        self,
        latent_dim: int,
        observed: int,
        predicted: int,
        neighbours: int,
        goals: int = 4,
        features: int = 64,
        hidden: Sequence[int] = (256, 256),
        path_hidden: Sequence[int] = (256, 256),
        sigma: float = 0.25,
        learn_sigma: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < sigma < math.inf:
            raise UsageError(f"decoder.sigma must be positive and finite, not {sigma}.")
        if not 1 <= goals <= predicted:
            raise UsageError(f"decoder.goals must be 1 to {predicted}, the steps, not {goals}.")
        check_widths(hidden, path_hidden, [features])
        self.latent_dim, self.predicted, self.own = latent_dim, predicted, 2 * (observed - 1)
        self.past = PastNet(observed, neighbours, features, hidden[0])
        self.plan = perceptron(latent_dim + features, hidden, 2 * goals)
        self.path = perceptron(2 * goals + features, path_hidden, 2 * predicted)
        self.goals = goal_steps(predicted, goals)
        between = torch.ones(predicted)
        between[self.goals] = 0.0
        self.register_buffer("line", _line(self.goals, predicted), persistent=False)
        self.register_buffer("between", between, persistent=False)
        log_sigma = torch.full((predicted, 1), float(sigma)).log()
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learn_sigma)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """p(x | z, past), batch shape (B,), event shape (predicted, 2).

        z may hold k codes for each row of the context, row by row: the past is then read once.
        """
        if context is None:
            raise UsageError("Trajectories need a past: pass context=(B, c).")
        past, on = self.past(context), straight_on(context[:, : self.own], self.predicted)
        if len(z) > len(context) > 0:
            k = len(z) // len(context)
            past, on = past.repeat_interleave(k, 0), on.repeat_interleave(k, 0)
        plan = self.plan(torch.cat([z, past], dim=-1))
        path = self.path(torch.cat([plan, past], dim=-1)).unflatten(1, (self.predicted, 2))
        line: Tensor = self.line  # type: ignore[assignment]
        between: Tensor = self.between  # type: ignore[assignment]
        mean = on + line @ plan.unflatten(1, (-1, 2)) + between[:, None] * path
        sigma = self.log_sigma.exp().expand_as(mean)
        return Independent(Normal(mean, sigma, validate_args=False), 2)

    def destination(self, z: Tensor, context: Tensor) -> Tensor:
        """The mean of the last position, (B, 2), as in `forward`, without the path to it."""
        past = self.past(context)
        last = self.predicted * context[:, self.own - 2 : self.own]
        k = len(z) // max(1, len(context))
        past, last = past.repeat_interleave(k, 0), last.repeat_interleave(k, 0)
        plan: Tensor = self.plan(torch.cat([z, past], dim=-1))
        return last + plan[:, -2:]  # the last sub-goal is at the last step


class TrajectoryEncoder(Encoder):
    """q(z | x, past), a perceptron.

    Args:
        latent_dim: d.
        observed: steps of the past.
        predicted: steps of the future.
        neighbours: agents in the context.
        features: width of what is known of the past.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self,
        latent_dim: int,
        observed: int,
        predicted: int,
        neighbours: int,
        features: int = 64,
        hidden: Sequence[int] = (256, 256),
    ) -> None:
        super().__init__()
        check_widths(hidden, [features])
        self.latent_dim, self.own = latent_dim, 2 * (observed - 1)
        self.past = PastNet(observed, neighbours, features, hidden[0])
        self.net = perceptron(2 * predicted + features, hidden, 2 * latent_dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        if context is None:
            raise UsageError("Trajectories need a past: pass context=(B, c).")
        away = x - straight_on(context[:, : self.own], x.shape[1])
        return gaussian_code(self.net(torch.cat([away.flatten(1), self.past(context)], dim=-1)))


def check_widths(*widths: Sequence[int]) -> None:
    """Refuses layers without a width."""
    for each in widths:
        if not each or min(each) < 1:
            raise UsageError(f"Each layer needs a width of at least 1, not {list(each)}.")


def straight_on(steps: Tensor, predicted: int) -> Tensor:
    """Who goes on as in the last step (B, 2 (observed - 1)) of the past: (B, predicted, 2)."""
    times = torch.arange(1, predicted + 1, device=steps.device, dtype=steps.dtype)
    return times[:, None] * steps[:, None, -2:]


def _line(goals: Sequence[int], predicted: int) -> Tensor:
    """The weights (predicted, goals) of straight lines from the origin through the sub-goals."""
    weights = torch.zeros(predicted, len(goals))
    for t in range(predicted):
        after = next(i for i, goal in enumerate(goals) if goal >= t)
        start = -1 if after == 0 else goals[after - 1]
        share = (t - start) / (goals[after] - start)
        weights[t, after] = share
        if after:
            weights[t, after - 1] = 1 - share
    return weights
