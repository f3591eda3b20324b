"""Behaviour classes by the shape of a track: standing, straight, left, right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["BEHAVIOURS", "admitted", "behaviour", "turning"]

BEHAVIOURS = ("standing", "straight", "left", "right")
STANDING = 0.2  # share of the usual path length, below which an agent stands
TURNING = 30 * math.pi / 180  # radians to a side


def behaviour(tracks: Tensor, usual_step: float) -> Tensor:
    """Classify the behaviour of each agent: its index in `BEHAVIOURS`, (N,).

    An agent stands if its path is shorter than a fifth of that of usual steps. Otherwise it is
    classified by the angle between its displacements in the first and in the last third of its
    steps: 30 degrees or more to the left (counter-clockwise, with the second axis to the left of
    the first) or to the right is a turn. An agent that stood in one of these thirds has no
    direction there, and counts as straight.

    Args:
        tracks: (N, T, 2) positions, T at least 2, in any unit of length.
        usual_step: the mean length of a step of everyone, in the same unit.
    """
    angle = turning(tracks, usual_step)
    y = torch.full((len(tracks),), BEHAVIOURS.index("straight"))
    y[angle >= TURNING] = BEHAVIOURS.index("left")  # False for NaN
    y[angle <= -TURNING] = BEHAVIOURS.index("right")
    steps = tracks.diff(dim=1)
    stands = steps.norm(dim=-1).sum(1) < STANDING * usual_step * steps.shape[1]
    y[stands] = BEHAVIOURS.index("standing")
    return y


def turning(tracks: Tensor, usual_step: float) -> Tensor:
    """Compute the angle from the first to the last third of each track, (N,): radians, left > 0.

    NaN for agents that stood in one of these thirds or stand as a whole.
    """
    steps = tracks.diff(dim=1)
    n = steps.shape[1]
    third = max(1, n // 3)
    before, after = steps[:, :third].sum(1), steps[:, -third:].sum(1)
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    least = STANDING * usual_step
    moved = (before.norm(dim=-1) >= least * third) & (after.norm(dim=-1) >= least * third)
    moved &= steps.norm(dim=-1).sum(1) >= least * n
    return torch.atan2(cross, (before * after).sum(-1)).masked_fill(~moved, torch.nan)


def admitted(pasts: Tensor, length: int, usual_step: float) -> Tensor:
    """Find which of `BEHAVIOURS` the whole track of each agent can still have, (N, 4).

    An agent that has gone too far cannot count as standing, whatever follows; one that stood in the
    first third of the track has no direction to turn from.

    Args:
        pasts: (N, observed, 2) positions.
        length: positions of the whole track.
        usual_step: as for `behaviour`.
    """
    steps, n = pasts.diff(dim=1), length - 1
    third, least = max(1, n // 3), STANDING * usual_step
    possible = torch.ones(len(pasts), len(BEHAVIOURS), dtype=torch.bool)
    possible[:, BEHAVIOURS.index("standing")] = steps.norm(dim=-1).sum(1) < least * n
    if third <= steps.shape[1]:  # else the future overlaps the first third
        directed = steps[:, :third].sum(1).norm(dim=-1) >= least * third
        for side in ("left", "right"):
            possible[:, BEHAVIOURS.index(side)] = directed
    return possible
