"""Calibration curve of predicted destinations."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from torch import Tensor

from lebm_trajectories.figures.scenes import PAST

__all__ = ["calibration_curve"]


def calibration_curve(levels: Tensor, covered: Tensor, file: Path) -> tuple[Path, str]:
    """Draw the share of true destinations in regions of highest density against the nominal one."""
    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    axis.plot(levels, covered, "o-", color=PAST, ms=3)
    axis.set(
        xlabel="share that a region promises",
        ylabel="true destinations in it", xlim=(0, 1), ylim=(0, 1), aspect="equal",
    )  # fmt: skip
    figure.savefig(file, dpi=110)
    return file, "Calibration of predicted destinations; on the diagonal it is perfect."
