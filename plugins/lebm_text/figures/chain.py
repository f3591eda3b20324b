"""The energy of a prior's chain, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lebm_core.priors.profile import EnergyProfile

__all__ = ["energy_figure"]


def energy_figure(profile: EnergyProfile, steps: Sequence[int], file: Path) -> Path:
    """Draw the mean energy at each step, with a line at each of `steps`."""
    from matplotlib.figure import Figure  # no pyplot: no display and no global state

    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(profile.energy)
    for step in steps:
        axes.axvline(step, color="0.8", linewidth=1, zorder=0)
    axes.set_xlabel("step of the chain")
    axes.set_ylabel("energy (nats)")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    return file
