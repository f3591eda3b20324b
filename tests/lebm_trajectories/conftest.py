"""Small figures: drawing them takes longer than the models of these tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def small_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """One panel where there are several."""
    monkeypatch.setattr("lebm_trajectories.figures.scenes.SCENES", 1)
    monkeypatch.setattr("lebm_trajectories.metrics.steered.ROWS", 1)
