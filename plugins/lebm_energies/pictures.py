"""Pictures of solids, of clouds of points and of clips: what samples look like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from lebm_core.base.files import replace_file

__all__ = ["draw_clouds", "draw_frames", "draw_solids"]

Array = np.ndarray[Any, np.dtype[Any]]
Row = tuple[str, Array]
COS, SIN = math.cos(math.pi / 6), math.sin(math.pi / 6)
# The three faces of a cube that are seen: corners, the neighbour that hides it, its shade.
FACES = (
    (((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1)), (1, 0, 0), (0.36, 0.51, 0.68)),
    (((0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1)), (0, -1, 0), (0.20, 0.31, 0.45)),
    (((0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)), (0, 0, 1), (0.68, 0.80, 0.91)),
)


def _seen(points: Array) -> Array:
    """Where points (..., 3) are in the plane of an isometric view, (..., 2)."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return np.stack([(x + y) * COS, (y - x) * SIN + z], axis=-1)


def _faces(solid: Array) -> tuple[list[Array], list[Any]]:
    """The visible faces of occupied voxels (S, S, S), the farthest first, with their colours."""
    polygons, colours, depths = [], [], []
    padded = np.pad(solid, 1)
    where = np.argwhere(solid)
    for corners, away, colour in FACES:
        bare = ~padded[tuple((where + 1 + np.array(away)).T)]
        for voxel in where[bare]:
            polygons.append(_seen(voxel + np.array(corners)))
            colours.append(colour)
            depths.append(voxel[0] - voxel[1] + voxel[2] + np.mean(away) / 10)
    order = np.argsort(depths, kind="stable")
    return [polygons[i] for i in order], [colours[i] for i in order]


def _sheet(rows: Sequence[Row], size: float) -> tuple[Figure, list[list[Any]]]:
    """A figure of rows of empty axes, each row with its name."""
    columns = max(len(items) for _, items in rows)
    figure = Figure(figsize=(size * columns + 0.9, size * len(rows) + 0.1))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (name, items), line in zip(rows, grid, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for i, axis in enumerate(line):
            axis.set(xticks=[], yticks=[], frame_on=False)
            if i >= len(items):
                axis.set_visible(False)
    figure.subplots_adjust(0.9 / (size * columns + 0.9), 0, 1, 1, 0.02, 0.02)
    return figure, [list(line) for line in grid]


def _save(figure: Figure, file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, lambda part: figure.savefig(part, dpi=80, format="png"))
    return file


def draw_solids(rows: Sequence[Row], file: Path) -> Path:
    """Write rows of solids, seen from above one corner.

    Args:
        rows: a name and occupied voxels (n, S, S, S), the last axis up.
        file: the PNG.
    """
    figure, grid = _sheet(rows, 1.25)
    for (_, solids), line in zip(rows, grid, strict=True):
        for solid, axis in zip(solids, line, strict=False):
            polygons, colours = _faces(solid)
            axis.add_collection(
                PolyCollection(polygons, facecolors=colours, edgecolors=colours, linewidths=0.3)
            )
            side = len(solid)
            axis.set(xlim=(0, 2 * side * COS), ylim=(-side * SIN, side * (1 + SIN)))
            axis.set_aspect("equal")
    return _save(figure, file)


def draw_clouds(rows: Sequence[Row], file: Path) -> Path:
    """Write rows of clouds of points, seen from above one corner, near points dark.

    Args:
        rows: a name and clouds (n, P, 3), the last axis up.
        file: the PNG.
    """
    figure, grid = _sheet(rows, 1.25)
    for (_, clouds), line in zip(rows, grid, strict=True):
        for cloud, axis in zip(clouds, line, strict=False):
            near = cloud[:, 0] - cloud[:, 1] + cloud[:, 2]
            order = np.argsort(near)
            where = _seen(cloud[order])
            axis.scatter(
                where[:, 0], where[:, 1], c=near[order], s=7, cmap="Blues", vmin=-3.5, vmax=1.5,
                linewidths=0,
            )  # fmt: skip
            axis.set(xlim=(-1.75, 1.75), ylim=(-1.75, 1.75), aspect="equal")
    return _save(figure, file)


def draw_frames(rows: Sequence[Row], file: Path) -> Path:
    """Write strips of grey frames, one clip a row.

    Args:
        rows: a name and the frames (n, H, W) in [-1, 1] of a clip.
        file: the PNG.
    """
    figure, grid = _sheet(rows, 0.75)
    for (_, frames), line in zip(rows, grid, strict=True):
        for frame, axis in zip(frames, line, strict=False):
            axis.imshow(frame, cmap="gray", vmin=-1, vmax=1, interpolation="nearest")
    return _save(figure, file)
