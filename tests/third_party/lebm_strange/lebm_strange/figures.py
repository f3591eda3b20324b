"""Pictures of a model of the plane."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from lebm_core import Evaluation
from lebm_strange.rings import Rings


def points(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw samples over examples."""
    dataset = evaluation.need(Rings, "strange.points")
    figure = Figure(figsize=(4, 4))
    axes = figure.subplots()
    for label, x in (
        ("data", next(dataset.batches("train", 500)).x),
        ("model", evaluation.samples),
    ):
        axes.scatter(*x[:500].T.numpy(), s=3, label=label)
    axes.legend()
    file = evaluation.folder / "figures" / "points.png"
    figure.savefig(file)
    yield file, "Samples over training points."
