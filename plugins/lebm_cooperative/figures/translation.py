"""Figures of a model of two domains: sources, their translations, and what the known map gives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from lebm_cooperative.data.domains import DomainData
from lebm_cooperative.models.two_domains import DOMAINS, TwoDomains
from lebm_core.base.files import replace_file
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation

__all__ = ["pictures"]

COLUMNS, POINTS, WORDS = 12, 600, 8
Row = tuple[str, Tensor]


def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw sources, translations and the truth, one picture for each direction."""
    data = evaluation.need(DomainData, "cooperative.translation")
    model, split = evaluation.model, evaluation.split
    if not isinstance(model, TwoDomains):
        raise UsageError('The figures cooperative.translation are of the model "two-domains".')
    draw = {"plane": _points, "images": _images, "tokens": _tokens}[data.kind]
    for to in (1, 0):
        pairs = data.x[split][:POINTS]
        source, truth = pairs[:, 1 - to], pairs[:, to]
        guess = model.translate(source, DOMAINS[to], refine=False).cpu()
        rows = [("source", source), ("translation", guess)]
        if model.refine:
            moved = model.revised(guess.to(model.device), to, generator=evaluation.generator).cpu()
            rows.append(("refined", moved))
        rows.append(("known map", truth))
        file = evaluation.folder / "figures" / f"to-{DOMAINS[to]}.png"
        figure = draw(rows)
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, lambda part, f=figure: f.savefig(part, dpi=80, format="png"))
        yield file, f"{split}: sources, their translations into {DOMAINS[to].upper()}, the truth."


def _points(rows: list[Row]) -> Figure:
    """Panels of the plane; a point has the colour of its source, by which pairs are seen."""
    figure = Figure(figsize=(3.2 * len(rows), 3.3), layout="constrained")
    source = rows[0][1].numpy()
    turned = np.arctan2(source[:, 1] - source[:, 1].mean(), source[:, 0] - source[:, 0].mean())
    for axis, (title, points) in zip(figure.subplots(1, len(rows)), rows, strict=True):
        axis.scatter(*points.numpy().T, c=turned, s=5, cmap="hsv", linewidths=0)
        axis.set(title=title, xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    return figure


def _sheet(rows: list[Row], columns: int, size: float) -> tuple[Figure, list[list[Any]]]:
    """A figure of rows of empty axes, each row with its name."""
    figure = Figure(figsize=(size * columns + 1.1, size * len(rows)))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (name, _), line in zip(rows, grid, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
        for axis in line:
            axis.set(xticks=[], yticks=[], frame_on=False)
    figure.subplots_adjust(1.1 / (size * columns + 1.1), 0, 1, 1, 0.04, 0.04)
    return figure, [list(line) for line in grid]


def _images(rows: list[Row]) -> Figure:
    columns = min(COLUMNS, len(rows[0][1]))
    figure, grid = _sheet(rows, columns, 0.7)
    for (_, images), line in zip(rows, grid, strict=True):
        for image, axis in zip(images, line, strict=False):
            axis.imshow(image.numpy().mean(0), cmap="gray", vmin=-1, vmax=1)
    return figure


def _tokens(rows: list[Row]) -> Figure:
    """Sequences as numbers, wrong tokens in red."""
    columns = min(WORDS, len(rows[0][1]))
    figure, grid = _sheet(rows, columns, 1.15)
    right = rows[-1][1].argmax(-1)
    for number, ((_, sequences), line) in enumerate(zip(rows, grid, strict=True)):
        for i, axis in enumerate(line):
            ids = sequences[i].argmax(-1)
            for place, token in enumerate(ids.tolist()):
                wrong = number > 0 and token != int(right[i, place])
                axis.text(
                    (place + 0.5) / len(ids), 0.5, str(token), ha="center", va="center",
                    fontsize=10, color="tab:red" if wrong else "black",
                )  # fmt: skip
    figure.set_size_inches(1.15 * columns + 1.1, 0.35 * len(rows))
    return figure
