"""The frames of a scene, and how many of them make a step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from lebm_trajectories.data.recordings import Point

__all__ = ["Clock", "clocks_of", "usual_step"]


class Clock(NamedTuple):
    """The frames of a scene: the first, and how many from one step to the next."""

    first: int
    step: int


def clocks_of(points: Iterable[Point]) -> dict[str, Clock]:
    """The clock of each scene: cameras differ in frames a second, and where they begin to count."""
    frames: dict[str, set[int]] = {}
    for p in points:
        frames.setdefault(p.scene, set()).add(p.frame)
    return {scene: Clock(min(own), usual_step(own)) for scene, own in frames.items()}


def usual_step(frames: Iterable[int]) -> int:
    """Find the most frequent distance of consecutive frames; 1 for a single frame."""
    order = sorted(set(frames))
    steps = Counter(b - a for a, b in zip(order, order[1:], strict=False))
    return min(steps, key=lambda step: (-steps[step], step)) if steps else 1
