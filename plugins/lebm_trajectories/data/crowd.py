"""A simulated crowd at a crossing, where each agent goes left, straight on or right.

The past determines only the probability of each manoeuvre: fast agents go straight on more often.
The future depends on the last step of the past alone, so that the simulator can draw from the true
distribution of every agent's future, with which predictions are compared.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_trajectories.data.dataset import TrajectoryDataset
from lebm_trajectories.data.options import TrajectoryOptions, WindowOptions
from lebm_trajectories.data.prepare import prepare
from lebm_trajectories.data.windows import Windows, nearest

__all__ = ["CrowdDataset", "MANOEUVRES", "crowd", "manoeuvre", "simulate", "turns"]

FEW_NEIGHBOURS = WindowOptions(neighbours=4)

MOST = 10_000_000  # trajectories that fit into memory
SPEED, SPREAD = 0.5, 0.12  # metres a step of 0.4 s, over people
SLOWEST = 0.15
WANDER = 0.03  # radians a step
PACE = 0.04  # of the logarithm of the speed, a step
TURN = 80 * math.pi / 180  # to either side, within the steps TURNING of the future
TURNING = (2, 7)
SHARPNESS = 8.0  # of how the odds of straight on rise with the speed
TOGETHER = 4  # agents in a window, within AREA metres
AREA = 12.0
MANOEUVRES = ("right", "straight on", "left")


def turns(speed: Tensor) -> Tensor:
    """Compute the probability of each of `MANOEUVRES` at a speed in metres a step, (..., 3)."""
    straight = torch.sigmoid(SHARPNESS * (speed - SPEED))
    left = 0.6 * (1 - straight)
    return torch.stack([1 - straight - left, straight, left], dim=-1)


def _walk(
    start: Tensor, step: Tensor, turn: Tensor, steps: int, generator: torch.Generator | None
) -> Tensor:
    """Walk from `start` (N, 2) after the step `step` (N, 2): positions (N, steps, 2).

    `turn` (N, steps) is added to the direction of each step.
    """
    shape = (len(start), steps)
    direction = torch.atan2(step[:, 1], step[:, 0])[:, None]
    direction = direction + (turn + WANDER * torch.randn(shape, generator=generator)).cumsum(1)
    pace = step.norm(dim=-1, keepdim=True).log()
    pace = (pace + (PACE * torch.randn(shape, generator=generator)).cumsum(1)).exp()
    move = torch.stack([pace * direction.cos(), pace * direction.sin()], dim=-1)
    return start[:, None] + move.cumsum(1)


def future(
    start: Tensor, step: Tensor, steps: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draw the true future of each agent, (N, steps, 2).

    Args:
        start: (N, 2) where it is.
        step: (N, 2) its last step.
        steps: how many to walk.
        generator: source of all randomness.
    """
    return _turned(start, step, _ways(step, generator), steps, generator)


def _ways(step: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw the manoeuvre of each agent, (N,), by the length of its last step (N, 2)."""
    odds = turns(step.norm(dim=-1))
    return torch.multinomial(odds, 1, generator=generator).squeeze(1)


def _turned(
    start: Tensor, step: Tensor, way: Tensor, steps: int, generator: torch.Generator | None
) -> Tensor:
    """Draw a future of the manoeuvres `way` (N,): positions (N, steps, 2)."""
    first, last = TURNING
    ramp = torch.zeros(steps)
    ramp[first:last] = TURN / (last - first)
    return _walk(start, step, (way - 1)[:, None] * ramp, steps, generator)


def simulate(n: int, options: WindowOptions, generator: torch.Generator) -> Windows:
    """Simulate n trajectories in windows of `TOGETHER` agents; y is the manoeuvre of each."""
    speed = (SPEED + SPREAD * torch.randn(n, generator=generator)).clamp(min=SLOWEST)
    angle = 2 * math.pi * torch.rand(n, generator=generator)
    step = speed[:, None] * torch.stack([angle.cos(), angle.sin()], dim=-1)
    start = AREA * torch.rand(n, 2, generator=generator)
    still = torch.zeros(n, options.observed - 1)
    past = torch.cat(
        [start[:, None], _walk(start, step, still, options.observed - 1, generator)], dim=1
    )
    last = past[:, -1] - past[:, -2]
    way = _ways(last, generator)
    after = _turned(past[:, -1], last, way, options.predicted, generator)
    rows = torch.arange(n)
    near, there = [], []
    for members in past[:, -2:].split(TOGETHER):
        index, exist = nearest(members[:, 1], torch.arange(len(members)), options.neighbours)
        near.append(members[index])
        there.append(exist)
    return Windows(
        torch.cat([past, after], dim=1), torch.cat(near), torch.cat(there), rows // TOGETHER, rows,
        torch.zeros(n, dtype=torch.long), ["crossing"], Counter(), way,
    )  # fmt: skip


def manoeuvre(last_step: Tensor, futures: Tensor) -> Tensor:
    """Classify a future (..., steps, 2) as one of `MANOEUVRES`, by the direction after the turn.

    Args:
        last_step: of the past, (..., 2).
        futures: positions.
    """
    end = futures[..., -1, :] - futures[..., TURNING[1] - 1, :]
    cross = last_step[..., 0] * end[..., 1] - last_step[..., 1] * end[..., 0]
    angle: Tensor = torch.atan2(cross, (last_step * end).sum(-1))
    return 1 + (angle > TURN / 2).long() - (angle < -TURN / 2).long()


class CrowdDataset(TrajectoryDataset):
    """A simulated crowd, whose distribution of futures is known."""

    def truth(
        self, split: str, rows: Tensor, draws: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw the simulator's own futures of some agents, (n, draws, predicted, 2)."""
        past = self.windows[split].positions[rows, : self.options.observed]
        start, step = past[:, -1], past[:, -1] - past[:, -2]
        many = [each.repeat_interleave(draws, 0) for each in (start, step)]
        drawn: Tensor = future(many[0], many[1], self.options.predicted, generator)
        shaped: Tensor = drawn.unflatten(0, (len(rows), draws))
        return shaped

    def odds(self, split: str, rows: Tensor) -> Tensor:
        """Compute the true probability of each of `MANOEUVRES` for some agents, (n, 3)."""
        past = self.windows[split].positions[rows, : self.options.observed]
        return turns((past[:, -1] - past[:, -2]).norm(dim=-1))


def crowd(
    *,
    files: Any,
    seed: int,
    options: WindowOptions = FEW_NEIGHBOURS,
    train: int = 20_000,
    valid: int = 2_000,
    test: int = 2_000,
) -> CrowdDataset:
    """A simulated crowd at a crossing, whose distribution of futures is known.

    The classes are each agent's manoeuvre, right, straight on or left, unless others are named.

    Args:
        files: not used: the crowd is simulated.
        seed: of the simulation.
        train: trajectories to learn from
        valid: trajectories to choose by
        test: trajectories to judge by
    """
    sizes = {"train": train, "valid": valid, "test": test}
    for split, n in sizes.items():
        whole(f"data.{split}", n, 1, MOST)
    if options.predicted <= TURNING[1]:
        raise UsageError(
            f"data.predicted = {options.predicted} must be more than {TURNING[1]}, the steps of a "
            "turn."
        )
    plain = TrajectoryOptions(**asdict(options), flip=False)
    generator = torch.Generator().manual_seed(seed)
    splits = {s: simulate(n, plain, generator) for s, n in sizes.items()}
    made = prepare(splits, "simulated crowd", {}, plain, seed=seed, classes=MANOEUVRES)
    return CrowdDataset(made.windows, plain, made.scale, made.unit, made.summary, made.classes)
