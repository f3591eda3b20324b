"""Small figures: drawing them takes longer than the models of these tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from torch import Tensor

from lebm_images.figures import grids

WITH_GRIDS = ("figures.model", "metrics.anomaly", "metrics.composition", "metrics.control",
              "metrics.property_trial")  # fmt: skip


@pytest.fixture(autouse=True, scope="session")
def small_figures() -> Iterator[None]:
    """Each image of a grid is a panel, and each of the compositions a sample of its own."""
    draw = grids.grid

    def grid(rows: Sequence[tuple[str, Tensor]], file: Path, columns: Sequence[str] = ()) -> Path:
        return draw([(name, images[:2]) for name, images in rows[:3]], file, columns[:2])

    patch = pytest.MonkeyPatch()
    patch.setattr(grids, "grid", grid)
    for name in WITH_GRIDS:
        patch.setattr(f"lebm_images.{name}.grid", grid)
    patch.setattr("lebm_images.figures.model.STEPS", 20)
    patch.setattr("lebm_images.figures.model.SHOWN", (0, 20))
    patch.setattr("lebm_images.metrics.composition.COLUMNS", 2)
    yield
    patch.undo()
