"""The figure of a design."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from lebm_molecules.design.record import Design

__all__ = ["history_figure"]

CURVES = 5  # rounds whose distribution is drawn


def history_figure(design: Design, name: str, file: Path) -> Path:
    """Draw the best values by oracle calls, and validity and distribution by round."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    picture = Figure(figsize=(10.5, 2.9), layout="constrained")
    left, middle, right = picture.subplots(1, 3)
    rows = design.history
    for key, style in (("top_3", "-"), ("top_100", "--"), ("mean", ":")):
        left.plot([r.calls for r in rows], [getattr(r, key) for r in rows], style, label=key)
    left.set(xlabel="oracle calls", ylabel=name)
    left.legend(fontsize=7)
    made = [r for r in rows if not math.isnan(r.validity)]
    middle.plot([r.round for r in made], [r.validity for r in made], color="#1f4e79")
    middle.set(xlabel="round", title="share of proposals that are molecules", ylim=(0, 1.02))
    middle.title.set_fontsize(8)
    chosen = np.unique(np.linspace(0, len(rows) - 1, CURVES).round().astype(int)).tolist()
    values = np.concatenate([design.spread[row] for row in chosen])
    bins = np.histogram_bin_edges(values, 40)
    for i, row in enumerate(chosen):
        colour = colormaps["viridis"](i / max(1, len(chosen) - 1))
        label = "start" if row == 0 else f"round {rows[row].round}"
        v = design.spread[row]
        right.hist(v, bins, density=True, histtype="step", color=colour, label=label)
    right.set(xlabel=f"{name} of the molecules kept", yticks=[])
    right.legend(fontsize=7)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, dpi=110)
    return file
