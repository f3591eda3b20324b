"""Small figures: drawing them takes longer than the models of these tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def small_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image of a grid is a panel, and each of the compositions a sample of its own."""
    monkeypatch.setattr("lebm_images.figures.model.ROWS", 2)
    monkeypatch.setattr("lebm_images.figures.model.COLUMNS", 2)
    monkeypatch.setattr("lebm_images.metrics.composition.COLUMNS", 2)
