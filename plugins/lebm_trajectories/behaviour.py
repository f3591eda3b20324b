"""What an agent does, told from its track: stand, walk straight, turn left, turn right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["BEHAVIOURS", "behaviour"]

BEHAVIOURS = ("standing", "straight", "left", "right")
STANDING = 0.2  # of the usual way: who goes less stands
TURNING = 30 * math.pi / 180  # radians to a side


def behaviour(tracks: Tensor, usual_step: float) -> Tensor:
    """The index in `BEHAVIOURS` of what each agent does, (N,).

    An agent stands if the length of its path is less than a fifth of what the usual step would
    make. Else its turning is the angle from the way it went in the first third of its steps to that
    of the last third: 30 degrees or more to the left (counter-clockwise, with the second axis to
    the left of the first) or to the right is a turn. Who stood in one of these thirds has no
    direction there, and counts as straight.

    Args:
        tracks: (N, T, 2) positions, T at least 2, in any unit of length.
        usual_step: the mean length of a step of everyone, in the same unit.
    """
    steps = tracks.diff(dim=1)
    n = steps.shape[1]
    third = max(1, n // 3)
    before, after = steps[:, :third].sum(1), steps[:, -third:].sum(1)
    cross = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = torch.atan2(cross, (before * after).sum(-1))
    least = STANDING * usual_step
    directed = (before.norm(dim=-1) >= least * third) & (after.norm(dim=-1) >= least * third)
    found = torch.full((len(tracks),), BEHAVIOURS.index("straight"))
    found[directed & (angle >= TURNING)] = BEHAVIOURS.index("left")
    found[directed & (angle <= -TURNING)] = BEHAVIOURS.index("right")
    found[steps.norm(dim=-1).sum(1) < least * n] = BEHAVIOURS.index("standing")
    return found
