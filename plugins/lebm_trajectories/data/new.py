"""Windows of a recording that a trained model has not seen."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.base.table import Table
from lebm_core.errors import UsageError, shown
from lebm_trajectories.data.behaviour import behaviour
from lebm_trajectories.data.clocks import clocks_of
from lebm_trajectories.data.options import WindowOptions
from lebm_trajectories.data.recordings import read_points
from lebm_trajectories.data.units import check_unit
from lebm_trajectories.data.windows import Windows, cut
from lebm_trajectories.frames import mean_step

__all__ = ["STEPS_OF_SCALE", "Reading", "described", "new_windows"]

STEPS_OF_SCALE = 3.0  # the unit of length is the way of so many usual steps
OTHER_UNIT = 10.0  # times longer or shorter steps than those of the training


class Reading(NamedTuple):
    """How the recording of the training was read: further ones are read alike.

    Attributes:
        every: use every n-th frame only.
        gaps: also windows across missing frames.
        fastest, slowest: plausible median steps in metres; 0 for no check.
    """

    every: int = 1
    gaps: bool = False
    fastest: float = 4.0
    slowest: float = 0.01

    def fits(self) -> bool:
        """Whether the values are such as a recipe may give."""
        bounds = (self.fastest, self.slowest)
        whole = type(self.every) is int and self.every >= 1 and type(self.gaps) is bool
        return whole and all(0 <= bound < math.inf for bound in bounds)


def new_windows(
    source: Any, options: WindowOptions, reading: Reading, unit: str, scale: float
) -> Windows:
    """Read a recording and cut its windows, of every agent that is there in enough frames.

    Args:
        source: a file of frame, id, x, y, as `read_points` reads it.
        options: lengths, neighbours and classes of the training.
        reading: of the training.
        unit: of the recording of the training.
        scale: its unit of length.

    Raises:
        UsageError: no file; a line that is none; steps as of another unit; no agent in enough
            frames.
    """
    if not isinstance(source, (str, Path)):
        raise UsageError(
            "A recording is read from a file of lines of frame, id, x, y, not from "
            f"{shown(source)}."
        )
    path = Path(source).expanduser()
    points = list(read_points(path))
    check_unit(points, unit, path, reading.fastest, reading.slowest, reading.every)
    windows = cut(
        points, options.observed, options.predicted, options.neighbours, gaps=reading.gaps,
        clocks=clocks_of(points), every=reading.every, name=path.stem,
    )  # fmt: skip
    if not len(windows):
        raise UsageError(
            f"{path}: no agent is there in {options.length} frames in a row, of which the model "
            f"observes {options.observed} and predicts {options.predicted}."
        )
    left_out = sum(n for what, n in windows.left_out.items() if what.startswith("points"))
    if left_out:
        warnings.warn(
            f"{path}: left out are {left_out:,} positions of agents not there in "
            f"{options.length} frames in a row.",
            stacklevel=3,
        )
    usual = scale / STEPS_OF_SCALE
    mean = mean_step([windows.positions[:]])
    if mean and not 1 / OTHER_UNIT < mean / usual < OTHER_UNIT:
        warnings.warn(
            f"{path}: a step is {mean:.3g} long in the mean, and was {usual:.3g} {unit} in the "
            "training: is this recording in another unit?",
            stacklevel=3,
        )
    if options.classes == "behaviour":
        return replace(windows, y=behaviour(windows.positions[:], usual))
    return windows


def described(windows: Windows, classes: Sequence[str]) -> Table:
    """Scene, last observed frame and id of each window, and its class where that is known."""
    columns: dict[str, Sequence[Any]] = {
        "scene": [windows.names[i] for i in windows.scenes.tolist()],
        "frame": [] if windows.frames is None else windows.frames.tolist(),
        "id": windows.agents.tolist(),
    }
    if windows.y is not None and bool((windows.y >= 0).any()):
        columns["class"] = [classes[i] if i >= 0 else "" for i in windows.y.tolist()]
    return Table(columns)
