"""The figure of controlled futures: free, under each behaviour, and towards a goal."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from lebm_trajectories.data.behaviour import BEHAVIOURS
from lebm_trajectories.figures.scenes import DRAWN, DRAWS, PAST, TRUE, evenly_spaced
from lebm_trajectories.metrics.steering import Steering

__all__ = ["steered"]

ROWS = 3  # agents
BRISK = 0.7  # of the usual pace: agents that are shown walk faster
ASIDE = 2.0  # metres to the left of where constant velocity ends: the goal


def steered(
    steering: Steering, class_strength: float, goal_strength: float, file: Path
) -> tuple[Path, str]:
    """Draw some pasts, a row each, with free futures, under each behaviour and towards a goal."""
    all_rows = steering.choose(0)
    can_turn = steering.admits(all_rows)[:, BEHAVIOURS.index("left")]
    walking = can_turn & (steering.pace(all_rows) > BRISK)
    rows = (walking if walking.any() else ~walking).nonzero().squeeze(1)
    rows = rows[evenly_spaced(len(rows), ROWS)]
    goals = steering.goals(rows, ASIDE)
    columns: dict[str, Tensor] = {"no control": steering.free(rows)}
    if steering.classes:
        for name in ("left", "straight", "right"):
            y = BEHAVIOURS.index(name)
            columns[f"y = {name}"] = steering.behaving(rows, y, class_strength)
    columns["goal (cross)"] = steering.heading_for(rows, goals, goal_strength)
    figure = Figure(figsize=(2.4 * len(columns), 2.4 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(columns), squeeze=False, sharex="row", sharey="row")
    windows = steering.windows
    for i, row in enumerate(rows.tolist()):
        others = windows.group == windows.group[row]
        others[row] = False
        past, future = steering.past(rows[i : i + 1])[0], steering.real(rows[i : i + 1])[0]
        here = past[-1]
        for axis, (title, paths) in zip(axes[i], columns.items(), strict=True):
            for other in windows.positions[others, steering.options.observed - 1 :]:
                axis.plot(*(other - here).T, color="0.75", lw=1)
            for path in paths[i, :DRAWS]:
                axis.plot(*(torch.cat([here[None], path]) - here).T, color=DRAWN, lw=0.6)
            axis.plot(*(torch.cat([here[None], future]) - here).T, color=TRUE, lw=1.5)
            axis.plot(*(past - here).T, color=PAST, lw=1.8)
            if "goal" in title:
                axis.plot(*(goals[i : i + 1] - here).T, "x", color="black", ms=7)
            reach = float((steering.free(rows)[i] - here).abs().max()) + 1.5 * steering.metre
            down = -1 if steering.unit == "pixels" else 1  # rows of pixels count downwards
            axis.set(xlim=(-reach, reach), ylim=(-down * reach, down * reach), aspect="equal")
            axis.set_title(title if i == 0 else "", fontsize=9)
            axis.tick_params(labelsize=7)
    figure.savefig(file, dpi=100)
    return file, (
        f"Futures (red, {min(DRAWS, steering.draws)} draws) of some pasts (blue) of "
        f"{steering.split}; green is what happened, grey where the others went; {steering.unit}."
    )
