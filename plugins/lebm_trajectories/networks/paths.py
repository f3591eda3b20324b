"""Decoder of a future from z and the past by way of a plan, and encoder of a future.

After Pang et al., "Trajectory prediction with latent belief energy-based model", CVPR 2021, arXiv
2104.03086: z is the belief about the whole future, a plan of sub-goals is decoded from it, and the
path from the plan. Social pooling is attention over the neighbours that are there, the same in
training and in prediction. All networks compute in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import positive, whole, widths
from lebm_core.base.networks import mlp
from lebm_core.errors import UsageError
from lebm_trajectories.frames import NEIGHBOUR

__all__ = ["PastNet", "TrajectoryDecoder", "TrajectoryEncoder", "check_steps", "goal_steps"]


def goal_steps(predicted: int, goals: int) -> list[int]:
    """Space the steps of the sub-goals evenly, counted from 0, the last one at the end."""
    return [round((i + 1) * predicted / goals) - 1 for i in range(goals)]


class PastNet(nn.Module):
    """Features (B, width) of the context (B, c): the agent's own past, and its neighbours.

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
        self.past = mlp([self.own, hidden, width])
        if neighbours:
            self.near = mlp([NEIGHBOUR - 1 + width, hidden, width])
            self.weight = nn.Linear(width, 1)

    def forward(self, context: Tensor) -> Tensor:
        """Compute (B, width)."""
        features: Tensor = self.past(context[:, : self.own])
        if not self.neighbours:
            return features
        near = context[:, self.own :].unflatten(1, (self.neighbours, NEIGHBOUR))
        there = near[..., 0] > 0
        own = features[:, None].expand(-1, self.neighbours, -1)
        values = self.near(torch.cat([near[..., 1:], own], dim=-1)).relu()
        logits = self.weight(values).squeeze(-1).masked_fill(~there, -torch.inf)
        # A further place, of weight exp(0), attends to nobody: the only one without neighbours.
        weights = torch.cat([logits, logits.new_zeros(len(logits), 1)], 1).softmax(1)[:, :-1]
        pooled: Tensor = (weights[..., None] * values).sum(1)
        return features + pooled


class TrajectoryDecoder(Decoder):
    """p(x | z, past): a Gaussian about a path through the sub-goals of a plan.

    The plan holds the positions at a few steps, the last one the destination, relative to walking
    on as before. The path is the straight line between the sub-goals, with a correction at the
    steps between them.

    Args:
        latent_dim: d.
        observed: steps of the past.
        predicted: steps of the future.
        neighbours: agents in the context.
        goals: sub-goals of the plan.
        features: width of the features of the past.
        hidden: widths of the hidden layers of the plan.
        path_hidden: widths of the hidden layers of the path.
        sigma: standard deviation of a coordinate, in the data's unit of length.
        learn_sigma: learn one for each step.

    Raises:
        UsageError: for a sigma that is not positive, or more sub-goals than steps.
    """

    capturable = True

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
        positive("decoder.sigma", sigma)
        whole("decoder.goals", goals)
        if not 1 <= goals <= predicted:
            raise UsageError(f"decoder.goals = {goals} must be from 1 to {predicted}, the steps.")
        widths("decoder.hidden", hidden, 1)
        widths("decoder.path_hidden", path_hidden, 1)
        widths("decoder.features", [features])
        check_steps(observed, predicted, neighbours)
        self.context_dim = 2 * (observed - 1) + NEIGHBOUR * neighbours
        self.latent_dim, self.predicted, self.own = latent_dim, predicted, 2 * (observed - 1)
        self.past = PastNet(observed, neighbours, features, hidden[0])
        self.plan = mlp([latent_dim + features, *hidden, 2 * goals])
        self.path = mlp([2 * goals + features, *path_hidden, 2 * predicted])
        self.goals = goal_steps(predicted, goals)
        between = torch.ones(predicted)
        between[self.goals] = 0.0
        self.register_buffer("line", _line(self.goals, predicted), persistent=False)
        self.register_buffer("between", between, persistent=False)
        log_sigma = torch.full((predicted, 1), float(sigma)).log()
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learn_sigma)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """Return p(x | z, past), batch shape (B,), event shape (predicted, 2).

        z may hold k codes for each row of the context, row by row: the past is then encoded once.
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
        """Compute the mean of the last position, (B, 2), as in `forward`, without the path."""
        past = self.past(context)
        last = self.predicted * context[:, self.own - 2 : self.own]
        k = len(z) // max(1, len(context))
        past, last = past.repeat_interleave(k, 0), last.repeat_interleave(k, 0)
        plan: Tensor = self.plan(torch.cat([z, past], dim=-1))
        return last + plan[:, -2:]  # the last sub-goal is at the last step


class TrajectoryEncoder(Encoder):
    """q(z | x, past), a multilayer perceptron.

    Args:
        latent_dim: d.
        observed: steps of the past.
        predicted: steps of the future.
        neighbours: agents in the context.
        features: width of the features of the past.
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
        widths("encoder.hidden", hidden, 1)
        widths("encoder.features", [features])
        check_steps(observed, predicted, neighbours)
        self.latent_dim, self.own = latent_dim, 2 * (observed - 1)
        self.past = PastNet(observed, neighbours, features, hidden[0])
        self.net = mlp([2 * predicted + features, *hidden, 2 * latent_dim])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        if context is None:
            raise UsageError("Trajectories need a past: pass context=(B, c).")
        away = x - straight_on(context[:, : self.own], x.shape[1])
        return gaussian_code(self.net(torch.cat([away.flatten(1), self.past(context)], dim=-1)))


def check_steps(observed: int, predicted: int, neighbours: int) -> None:
    """Refuse a past without a step, a future without one, and neighbours below 0."""
    whole("observed", observed, 2, 1_000_000)
    whole("predicted", predicted, 1, 1_000_000)
    whole("neighbours", neighbours, 0, 1_000_000)


def straight_on(steps: Tensor, predicted: int) -> Tensor:
    """Repeat the last of the past's steps (B, 2 (observed - 1)): positions (B, predicted, 2)."""
    times = torch.arange(1, predicted + 1, device=steps.device, dtype=steps.dtype)
    return times[:, None] * steps[:, None, -2:]


def _line(goals: Sequence[int], predicted: int) -> Tensor:
    """Compute weights (predicted, goals) of straight lines from 0 through the sub-goals."""
    weights = torch.zeros(predicted, len(goals))
    for t in range(predicted):
        after = next(i for i, goal in enumerate(goals) if goal >= t)
        start = -1 if after == 0 else goals[after - 1]
        share = (t - start) / (goals[after] - start)
        weights[t, after] = share
        if after:
            weights[t, after - 1] = 1 - share
    return weights
