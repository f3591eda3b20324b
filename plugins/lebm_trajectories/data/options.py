"""Options that the data sets of trajectories share: keys of a recipe's [data]."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from lebm_core.base.checks import choice, whole, within
from lebm_core.errors import UsageError

__all__ = ["TrajectoryOptions", "WindowOptions", "of_the_types"]

CLASSES = ("", "behaviour")
MOST = 1_000  # steps, neighbours or copies: more is a slip of the keyboard
LARGEST = 100.0  # factor of a rescaled copy


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
    classes: Literal["", "behaviour"] = ""

    def __post_init__(self) -> None:
        for name, least in (("observed", 2), ("predicted", 1), ("neighbours", 0)):
            whole(f"data.{name}", getattr(self, name), least, MOST)
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
        whole("data.rotations", self.rotations, 0, MOST)
        for name in ("train_trajectories", "eval_trajectories"):
            whole(f"data.{name}", getattr(self, name))
        within("data.rescale", self.rescale, 1, LARGEST)
        if self.rotations and self.heading:
            raise UsageError(
                f"data.rotations = {self.rotations} changes nothing with data.heading = true: each "
                "trajectory is turned to its own direction. Set one of them to 0 or false."
            )


def of_the_types(options: TrajectoryOptions) -> bool:
    """Whether each option has the type of its default; a whole number may stand for another."""
    wanted = asdict(TrajectoryOptions())
    given = asdict(options)
    return all(
        type(given[name]) in (type(value), int if type(value) is float else type(value))
        for name, value in wanted.items()
    )
