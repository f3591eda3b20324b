"""A map of the codes: the plane of their first two principal components, with the energy on it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lebm_app.explorer import Explorer
from lebm_core.errors import UsageError

__all__ = ["CodeMap", "NONE"]

NONE = "nothing"
CLASS = "class"
WIDTH, HEIGHT, DPI = 720, 520, 100  # pixels, by which a click is a point of the plane
LEFT, BOTTOM, WIDE, HIGH = 0.12, 0.1, 0.68, 0.86  # the axes, in shares of the picture
GRID = 48
DRAWS = 500  # of the prior, where there are no examples
LEVELS = 14
BETWEEN = 8  # points of a line
MARGIN = 0.08


class CodeMap:
    """Codes of the examples in two dimensions; without examples, draws of the prior.

    Args:
        explorer: the run.

    Attributes:
        mean: (d,) of the codes, through which the plane goes.
        axes: (2, d) principal components.
        share: of the variance that the plane shows.
        source: what the codes are of.

    Raises:
        UsageError: for a model without codes.
    """

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        if explorer.model.latent_dim == 0:
            raise UsageError("This model has no code, so there is no map of them.")
        batch = explorer.examples
        if batch is not None:
            self.z = explorer.codes(batch)
            self.source = f"{len(self.z)} examples of the split {explorer.split}"
        elif explorer.conditioned:
            explorer.contexts(1)  # says that there is none
        else:
            generator = explorer.generator(0, "map")
            self.z = explorer.model.prior.sample(DRAWS, generator=generator).detach()
            self.source = f"{DRAWS} draws of the prior, for there are no examples here"
        self.y = None if batch is None else batch.y
        self.mean = self.z.mean(0)
        away = (self.z - self.mean).double()
        _, sizes, axes = torch.linalg.svd(away, full_matrices=False)
        self.axes = axes[:2].float()
        if len(self.axes) < 2:  # one dimension: the second is none
            self.axes = torch.cat([self.axes, torch.zeros_like(self.axes)])
        self.share = float(sizes[:2].square().sum() / sizes.square().sum().clamp(min=1e-12))
        self.points = (self.z - self.mean) @ self.axes.T

    @functools.cached_property
    def box(self) -> tuple[float, float, float, float]:
        """What the map shows: left, right, bottom, top."""
        low, high = self.points.amin(0), self.points.amax(0)
        room = (high - low).clamp(min=1e-3) * MARGIN
        (left, bottom), (right, top) = (low - room).tolist(), (high + room).tolist()
        return left, right, bottom, top

    @property
    def colourings(self) -> list[str]:
        """What the points can be coloured by."""
        known = self.explorer.examples is not None and self.y is not None
        return [NONE, *([CLASS] if known else []), *self._properties]

    @functools.cached_property
    def _properties(self) -> dict[str, Tensor]:
        explorer = self.explorer
        if explorer.examples is None:
            return {}
        return explorer.data.properties(explorer.split, explorer.rows) or {}

    def point(self, x: float, y: float) -> tuple[float, float]:
        """The point of the plane at a pixel, counted from the left and the top."""
        left, right, bottom, top = self.box
        across = (x / WIDTH - LEFT) / WIDE
        up = (1 - y / HEIGHT - BOTTOM) / HIGH
        return left + across * (right - left), bottom + up * (top - bottom)

    def pixel(self, a: float, b: float) -> tuple[float, float]:
        """The pixel of a point of the plane; the inverse of `point`."""
        left, right, bottom, top = self.box
        across, up = (a - left) / (right - left), (b - bottom) / (top - bottom)
        return (LEFT + across * WIDE) * WIDTH, (1 - BOTTOM - up * HIGH) * HEIGHT

    def code(self, point: Sequence[float]) -> Tensor:
        """The code (1, d) at a point of the plane."""
        z: Tensor = self.mean + torch.tensor(point, dtype=torch.float32) @ self.axes
        return z[None]

    def nearest(self, point: Sequence[float]) -> int:
        """The row of the code whose point is nearest."""
        away = self.points - torch.tensor(point, dtype=torch.float32)
        return int(away.square().sum(1).argmin())

    def decoded(self, z: Tensor) -> Any:
        """The likeliest x of codes, for a conditioned model with the first context."""
        return self.explorer.decoded(z, self.explorer.contexts(len(z)))

    def between(self, first: Sequence[float], second: Sequence[float]) -> Any:
        """What is decoded on the line between two points, both ends with it."""
        weight = torch.linspace(0, 1, BETWEEN)[:, None]
        return self.decoded((1 - weight) * self.code(first) + weight * self.code(second))

    @functools.cached_property
    def energy(self) -> tuple[Any, Any, Any]:
        """-f - log p0 in nats on a grid of the plane: its two axes, and the values (b, a)."""
        left, right, bottom, top = self.box
        a, b = np.linspace(left, right, GRID), np.linspace(bottom, top, GRID)
        across, up = np.meshgrid(a, b)
        points = torch.from_numpy(np.stack([across.ravel(), up.ravel()], 1)).float()
        z = self.mean + points @ self.axes
        prior = self.explorer.model.prior
        with torch.no_grad():
            context = self.explorer.contexts(1) if prior.context_dim else None
            given = None if context is None else context.expand(len(z), -1)
            values = prior.energy(z, given)
        return a, b, values.reshape(GRID, GRID).numpy()

    def drawn(self, colour: str = NONE, marks: Sequence[Sequence[float]] = ()) -> Any:
        """The map as an array (H, W, 3).

        Args:
            colour: one of `colourings`.
            marks: points to be marked, with a line between two.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
        canvas: Any = FigureCanvasAgg(figure)
        axis = figure.add_axes((LEFT, BOTTOM, WIDE, HIGH))
        self._contours(axis)
        self._points(figure, axis, colour)
        if marks:
            right, up = zip(*marks, strict=True)
            axis.plot(right, up, "o-", color="#c0392b", ms=8, lw=1.5, mec="white")
        left, high, bottom, top = self.box
        axis.set(xlim=(left, high), ylim=(bottom, top))
        axis.set_xlabel("first principal component", fontsize=9)
        axis.set_ylabel("second principal component", fontsize=9)
        axis.tick_params(labelsize=8)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _contours(self, axis: Any) -> None:
        a, b, values = self.energy
        finite = values[np.isfinite(values)]
        if not len(finite) or float(np.ptp(finite)) <= 0:
            return
        levels = np.unique(np.quantile(finite, np.linspace(0, 0.95, LEVELS)))
        if len(levels) > 1:
            axis.contourf(a, b, values, levels=levels, cmap="Blues_r", alpha=0.3)
            axis.contour(a, b, values, levels=levels, colors="0.6", linewidths=0.5)

    def _points(self, figure: Any, axis: Any, colour: str) -> None:
        from matplotlib import colormaps

        right, up = self.points.T.tolist()
        look = {"s": 14, "linewidths": 0.3, "edgecolors": "white"}
        if colour == CLASS and self.y is not None:
            palette = colormaps["tab10"]
            for i, name in enumerate(self.explorer.data.classes):
                mine = (self.y == i).nonzero().squeeze(1).tolist()
                at = [right[j] for j in mine], [up[j] for j in mine]
                axis.scatter(*at, color=palette(i % 10), label=str(name)[:16], **look)
            axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8, frameon=False)
        elif colour in self._properties:
            values = self._properties[colour].tolist()
            points = axis.scatter(right, up, c=values, cmap="viridis", **look)
            bar = figure.add_axes((LEFT + WIDE + 0.03, BOTTOM, 0.02, HIGH))
            figure.colorbar(points, cax=bar).ax.tick_params(labelsize=8)
            bar.set_title(colour, fontsize=9)
        else:
            axis.scatter(right, up, color="#2c6fa6", **look)
