"""Agent-centred coordinate frames, and the model's inputs: future and context."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.data.disk.tensors import CHUNK
from lebm_trajectories.data.options import WindowOptions

__all__ = ["FAR", "NEIGHBOUR", "Examples", "OwnFrame", "examples_of", "mean_step", "turned"]

NEIGHBOUR = 5  # numbers for each neighbour
FAR = 10.0  # units of scale, to which larger distances are clipped
STILL = 1e-3  # share of a usual step, below which a motion has no direction


def turned(points: Tensor, axes: Tensor) -> Tensor:
    """Compute points (..., 2) @ axes (..., 2, 2), each row alone.

    A product of matrices may round a row otherwise among others, and batches read from disk would
    not be those of memory.
    """
    return points[..., :1] * axes[..., 0, :] + points[..., 1:] * axes[..., 1, :]


def mean_step(parts: Iterable[Tensor]) -> float:
    """Compute the mean length of a step of positions (n, T, 2), exact and so in whatever parts.

    NaN of no step.
    """
    total, n = 0.0, 0

    def lengths() -> Iterable[float]:
        nonlocal n
        for part in parts:
            steps = part.diff(dim=1).norm(dim=-1).flatten()
            n += len(steps)
            for some in steps.split(CHUNK):
                yield from some.tolist()

    total = math.fsum(lengths())
    return total / n if n else math.nan


class OwnFrame(NamedTuple):
    """Where each agent was last seen (N, 2), its axes (N, 2, 2), and the unit of length."""

    origin: Tensor
    axes: Tensor
    scale: float

    @classmethod
    def of(cls, positions: Tensor, options: WindowOptions, scale: float, usual: float) -> OwnFrame:
        """Find the frames of agents; the first axis is the direction of motion with `heading`.

        Args:
            positions: (N, T, 2).
            options: of the windows.
            scale: the unit of length.
            usual: the mean observed step of all agents of the split.
        """
        past = positions[:, : options.observed]
        origin = past[:, -1]
        along = torch.tensor([1.0, 0.0]).expand(len(origin), 2)
        if options.heading:
            known = torch.zeros(len(origin), dtype=torch.bool)
            # Back from the last step, as long as the agent stood still.
            for back in range(2, options.observed + 1):
                way = origin - past[:, -back]
                length = way.norm(dim=-1)
                moved = (length > STILL * usual) & ~known
                along = torch.where(moved[:, None], way / length.clamp(min=1e-12)[:, None], along)
                known |= moved
        aside = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
        return cls(origin, torch.stack([along, aside], dim=1), scale)

    def take(self, rows: Tensor) -> OwnFrame:
        """Select some of the agents."""
        return OwnFrame(self.origin[rows], self.axes[rows], self.scale)

    def local(self, points: Tensor) -> Tensor:
        """Transform points (N, ..., 2) of the recording to each agent's own coordinates."""
        origin, axes = self._beside(points.ndim)
        return turned((points - origin) / self.scale, axes.mT)

    def world(self, points: Tensor) -> Tensor:
        """Apply the inverse of `local`."""
        origin, axes = self._beside(points.ndim)
        return turned(points, axes) * self.scale + origin

    def _beside(self, dims: int) -> tuple[Tensor, Tensor]:
        ones = [1] * (dims - 2)
        return self.origin.view(-1, *ones, 2), self.axes.view(-1, *ones, 2, 2)


class Examples(NamedTuple):
    """Frames, x (N, predicted, 2) and contexts (N, c) of trajectories."""

    frame: OwnFrame
    x: Tensor
    context: Tensor

    def take(self, rows: Tensor) -> Examples:
        """Select some of the trajectories."""
        return Examples(self.frame.take(rows), self.x[rows], self.context[rows])


def examples_of(
    positions: Tensor, near: Tensor, there: Tensor, options: WindowOptions, frame: OwnFrame
) -> Examples:
    """Compute the model's inputs from trajectories.

    Args:
        positions: (N, T, 2).
        near: (N, K, 2, 2), see `Windows`.
        there: (N, K).
        options: of the windows.
        frame: of the agents.
    """
    tracks = frame.local(positions)
    x = tracks[:, options.observed :].contiguous()
    context = tracks[:, : options.observed].diff(dim=1).flatten(1)
    if options.neighbours:
        where = frame.local(near.flatten(1, 2)).unflatten(1, (-1, 2))
        place = where[:, :, 1]
        distance = place.norm(dim=-1, keepdim=True)
        place = place * (FAR / distance.clamp(min=FAR))
        numbers = torch.cat([place, where[:, :, 1] - where[:, :, 0]], dim=-1) * there[..., None]
        numbers = torch.cat([there[..., None].float(), numbers], dim=-1)
        context = torch.cat([context, numbers.flatten(1)], dim=1)
    return Examples(frame, x, context)
