"""How a page shows trajectories, on their scene, and asks for one: a recording's file."""

from __future__ import annotations

import io
from typing import Any, ClassVar

import torch
from torch import Tensor

from lebm_core.data.view import Shown, View
from lebm_trajectories.frames import NEIGHBOUR

__all__ = ["SceneView"]

PAST, FUTURE, OTHERS = "#1f4e79", "#d6604d", "0.45"
MOST = 24  # scenes


class SceneView(View):
    """The futures of one agent on one scene, with its past and its neighbours."""

    dataset: Any  # a TrajectoryDataset, which imports this module
    asks = "file"
    label: ClassVar[str] = "A recording: lines of frame, id, x, y"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".csv", ".tsv")

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Draw futures x (n, steps, 2), those in a row that share a context on one scene.

        The coordinates are the agent's own: it was last seen at (0, 0).
        """
        x = x.cpu() * self.dataset.scale
        if context is None:
            return Shown([(self._scene(x, None), "")])
        context = context.cpu()
        same = (context[1:] == context[:-1]).all(1)
        starts = [0, *((~same).nonzero().squeeze(1) + 1).tolist(), len(x)]
        pictures = []
        for start, end in list(zip(starts, starts[1:], strict=False))[:MOST]:
            n = end - start
            caption = f"{n} futures" if n > 1 else ""
            pictures.append((self._scene(x[start:end], context[start]), caption))
        return Shown(pictures)

    def _scene(self, futures: Tensor, context: Tensor | None) -> bytes:
        """The PNG of futures (n, steps, 2) in the unit of the recording."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.6, 3.6), layout="constrained")
        axis = figure.subplots()
        for path in futures.tolist():
            right, up = zip((0.0, 0.0), *path, strict=True)
            axis.plot(right, up, color=FUTURE, lw=1, alpha=0.7)
            axis.plot(right[-1], up[-1], ".", color=FUTURE, ms=4)
        if context is not None:
            self._given(axis, context * self.dataset.scale, context)
        axis.plot(0, 0, "o", color=PAST, ms=4)
        axis.tick_params(labelsize=7)
        axis.set_xlabel(self.dataset.unit, fontsize=7)
        axis.set_aspect("equal", adjustable="datalim")
        if self.dataset.unit == "pixels":  # whose rows count downwards
            axis.invert_yaxis()
        file = io.BytesIO()
        figure.savefig(file, dpi=115, format="png")
        return file.getvalue()

    def _given(self, axis: Any, scaled: Tensor, context: Tensor) -> None:
        """Draw the past of the agent, and of each neighbour the place and the last step."""
        width = 2 * (self.dataset.options.observed - 1)
        steps = scaled[:width].view(-1, 2)
        past = torch.cat([-steps.flip(0).cumsum(0).flip(0), steps.new_zeros(1, 2)])
        axis.plot(*past.T.tolist(), color=PAST, lw=1.5)
        near = context[width:].view(-1, NEIGHBOUR)
        for there, right, up, along, across in near.tolist():
            if there:
                right, up, along, across = (
                    each * self.dataset.scale for each in (right, up, along, across)
                )
                axis.plot([right - along, right], [up - across, up], color=OTHERS, lw=1)
                axis.plot(right, up, "o", color=OTHERS, ms=3)
