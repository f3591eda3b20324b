"""Figures of learned costs: scenes with demonstrated and drawn trajectories, and the weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lebm_core.evaluation.evaluation import Evaluation
from lebm_energies.data.driving import Driving
from lebm_energies.evaluators.driving import draws_of, theta_of

__all__ = ["driving"]

SCENES, DRAWS = 6, 15
TRUE, DRAWN, SHOWN, WAY = "#1f4e79", "#d6604d", "#1b7837", "0.45"
SIZE = 0.75  # metres, of the circle that stands for an obstacle


def driving(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw test scenes, and the learned weights beside the true ones."""
    data = evaluation.need(Driving, "energies.driving")
    split = "test" if data.length("test") else "train"
    if not data.length(split):
        return
    yield _scenes(evaluation, data, split)
    yield _weights(evaluation, data)


def _scenes(evaluation: Evaluation, data: Driving, split: str) -> tuple[Path, str]:
    rows = torch.arange(min(SCENES, data.length(split)))
    drawn = draws_of(evaluation.model, data, split, rows, DRAWS, evaluation.generator)
    fresh = data.draw(split, rows, DRAWS, torch.Generator().manual_seed(evaluation.seed))
    figure = Figure(figsize=(11, 1.7 * -(-len(rows) // 2)), layout="constrained")
    axes = figure.subplots(-(-len(rows) // 2), 2, squeeze=False).flatten()
    for axis, row in zip(axes, rows.tolist(), strict=False):
        context = data.contexts[split][row : row + 1]
        scene = data.costs.scene(context)
        for x, colour in ((fresh[row], TRUE), (drawn[row], DRAWN)):
            paths = data.costs.states(x, context.expand(len(x), -1))[..., :2]
            for path in paths.flatten(0, 1):
                axis.plot(*path.T, color=colour, lw=0.7, alpha=0.5)
        shown = data.controls[split][row : row + 1].flatten(1)
        for path in data.costs.states(shown, context)[0, ..., :2]:
            axis.plot(*path.T, color=SHOWN, lw=1.8)
            axis.plot(*path[0], "o", color=SHOWN, ms=4)
        for path in data.costs.paths(scene, shown.shape[1] // (2 * data.costs.agents))[0, 0]:
            axis.plot(*path.T, color=WAY, lw=0.8, ls=":")
            for place in (path[0], path[-1]):
                axis.add_patch(Circle(tuple(place.tolist()), SIZE, color=WAY, alpha=0.5, lw=0))
        for lane in scene.lane[0].tolist():
            axis.axhline(lane, color="0.8", lw=0.8, ls="--", zorder=0)
        axis.plot(*scene.goal[0].T, "x", color="black", ms=5)
        axis.set_aspect("equal", adjustable="datalim")
        axis.set(title=f"scene {row} of {split}", xlabel="m")
    path = evaluation.folder / "figures" / "scenes.png"
    figure.savefig(path, dpi=80)
    caption = (
        f"Demonstration (green), {DRAWS} fresh draws from the true cost (blue) and {DRAWS} of the "
        "model (red); obstacles (grey) at the first and last step, lanes (dashed), goals (crosses)."
    )
    return path, caption


def _weights(evaluation: Evaluation, data: Driving) -> tuple[Path, str]:
    figure = Figure(figsize=(5.5, 2.8), layout="constrained")
    axis = figure.subplots()
    place = torch.arange(len(data.costs.names))
    axis.bar(place - 0.2, data.theta, 0.38, color=TRUE, label="true")
    found = theta_of(evaluation.model, data)
    axis.bar(place + 0.2, found, 0.38, color=DRAWN, label="learned")
    axis.set_xticks(place, data.costs.names)
    axis.set(ylabel="theta")
    axis.legend(frameon=False)
    path = evaluation.folder / "figures" / "weights.png"
    figure.savefig(path, dpi=80)
    return path, "Weights of the features: of the demonstrations' cost and learned, with p0's."
