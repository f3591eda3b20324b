"""Schedules of learning rates."""

from __future__ import annotations

import math

__all__ = ["cosine"]


def cosine(step: float, steps: float = 1.0) -> float:
    """The factor of a learning rate that falls from 1 to 0 as half a cosine.

    Args:
        step: updates made, or the share of the training that is done.
        steps: of the whole training; 1 where `step` is a share. Beyond it the factor stays 0.

    >>> cosine(0.0), cosine(5, 10), cosine(2.0)
    (1.0, 0.5, 0.0)
    """
    return 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))
