"""Options that the data sets of trajectories share: keys of a recipe's [data]."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lebm_core.base.checks import at_least, choice
from lebm_core.errors import UsageError

__all__ = ["TrajectoryOptions", "WindowOptions"]

CLASSES = ("", "behaviour")


@dataclass(frozen=True)
class WindowOptions:
    """How windows of a recording become numbers.

    Attributes:
        observed: steps of the past
        predicted: steps of the future
        neighbours: nearest agents in the context; 0 for none
        heading: turn each agent's coordinates to its direction of motion
        classes: "behaviour" for standing, straight, left or right, by the shape of the whole track;
            empty for no classes, or those that the data have of their own
    """

    observed: int = 8
    predicted: int = 12
    neighbours: int = 8
    heading: bool = True
    classes: str = ""

    def __post_init__(self) -> None:
        at_least("data.observed", self.observed, 2)
        at_least("data.predicted", self.predicted, 1)
        at_least("data.neighbours", self.neighbours, 0)
        choice("data.classes", self.classes, CLASSES)

    @property
    def length(self) -> int:
        """Steps of a window."""
        return self.observed + self.predicted


@dataclass(frozen=True)
class TrajectoryOptions(WindowOptions):
    """How recordings become numbers, and which augmented copies are trained on.

    Attributes:
        flip: add mirrored training trajectories
        rescale: add training trajectories scaled, each window by a random factor of at most this,
            for people of another pace or another camera; 1 for none
        reverse: add training trajectories backwards in time
        rotations: add training trajectories turned by so many random angles; without `heading`
        train_trajectories, eval_trajectories: only so many of a split, at random; 0 for all
    """

    flip: bool = True
    rescale: float = 1.0
    reverse: bool = False
    rotations: int = 0
    train_trajectories: int = 0
    eval_trajectories: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("rotations", "train_trajectories", "eval_trajectories"):
            at_least(f"data.{name}", getattr(self, name), 0)
        if not 1 <= self.rescale < math.inf:
            raise UsageError(
                f"data.rescale = {self.rescale} must be at least 1: the largest factor, 1 for none."
            )
        if self.rotations and self.heading:
            raise UsageError(
                f"data.rotations = {self.rotations} changes nothing with data.heading = true: each "
                "trajectory is turned to its own direction. Set one of them to 0 or false."
            )
