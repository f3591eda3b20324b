"""Densities of properties under controls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["densities"]

COLOURS = ("#9ecae1", "#4292c6", "#08306b", "#d94801", "#7f2704")  # of strengths, rising
LEAST = 20  # values: fewer are no distribution

Panel = tuple[str, Mapping[str, NDArray[np.float64]], float | None]


def densities(panels: Mapping[str, Panel], file: Path) -> Path:
    """Draw a panel for each control.

    Args:
        panels: the control to the name of its property, values of the property by the label of
            their line (training molecules, samples without a control, then samples by strength),
            and the value asked for, if there is one.
        file: the PNG.
    """
    from matplotlib.figure import Figure

    picture = Figure(figsize=(2.9 * len(panels), 2.6), layout="constrained")
    axes = picture.subplots(1, len(panels), squeeze=False)[0]
    for axis, (text, (name, sides, aim)) in zip(axes, panels.items(), strict=True):
        every = np.concatenate([v for v in sides.values() if len(v)])
        low, high = np.quantile(every, [0.002, 0.998]).tolist()
        bins = np.linspace(low, high, 41)
        for colour, (label, v) in zip(("0.6", "black", *COLOURS), sides.items(), strict=False):
            if len(v) >= LEAST and ((v >= low) & (v <= high)).any():
                axis.hist(v, bins, density=True, histtype="step", color=colour, label=label)
        if aim is not None:
            axis.axvline(aim, color="0.3", lw=0.8, ls="--")
        axis.set(xlabel=name, yticks=[])
        axis.set_title(text, fontsize=9)
    axes[0].legend(fontsize=6)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, dpi=110)
    return file
