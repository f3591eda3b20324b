"""What an agent does, told from its track: stand, walk straight, turn left, turn right."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["BEHAVIOURS", "admitted", "behaviour", "turning"]

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
    angle = turning(tracks, usual_step)
    found = torch.full((len(tracks),), BEHAVIOURS.index("straight"))
    found[angle >= TURNING] = BEHAVIOURS.index("left")  # of NaN neither is true
    found[angle <= -TURNING] = BEHAVIOURS.index("right")
    steps = tracks.diff(dim=1)
    stands = steps.norm(dim=-1).sum(1) < STANDING * usual_step * steps.shape[1]
    found[stands] = BEHAVIOURS.index("standing")
    return found


def turning(tracks: Tensor, usual_step: float) -> Tensor:
    """The angle of the last third's way from the first third's, radians, left positive, (N,).

    NaN for who stood in one of these thirds, and for who stands as a whole.
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
    """Which of `BEHAVIOURS` the whole track of each agent can still be, (N, 4).

    Who has gone too far does not stand any more, whatever comes; who stood in the first third of
    the track has no direction to turn from.

    Args:
        pasts: (N, observed, 2) positions.
        length: positions of the whole track.
        usual_step: as for `behaviour`.
    """
    steps, n = pasts.diff(dim=1), length - 1
    third, least = max(1, n // 3), STANDING * usual_step
    found = torch.ones(len(pasts), len(BEHAVIOURS), dtype=torch.bool)
    found[:, BEHAVIOURS.index("standing")] = steps.norm(dim=-1).sum(1) < least * n
    if third <= steps.shape[1]:  # else the future has a part in the first third
        directed = steps[:, :third].sum(1).norm(dim=-1) >= least * third
        for side in ("left", "right"):
            found[:, BEHAVIOURS.index(side)] = directed
    return found
