"""Figures of molecules: samples, their nearest training molecules, densities of properties."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lebm_molecules.chemistry.describe import PROPERTIES, fingerprint
from lebm_molecules.chemistry.distances import tanimoto, unpack
from lebm_molecules.chemistry.drawing import draw
from lebm_molecules.chemistry.properties import values_of

__all__ = ["neighbours", "properties"]


def neighbours(made: Sequence[str], known: Sequence[str], file: Path) -> tuple[Path, str]:
    """Draw samples above their nearest training molecules, with the Tanimoto similarity."""
    near = tanimoto(*(unpack(fingerprint(s) for s in side) for side in (made, known)))
    best = near.argmax(1)
    labels = ["sample"] * len(made) + [f"nearest, similarity {n:.2f}" for n in near.max(1)]
    draw([*made, *(known[i] for i in best)], file, labels, columns=len(made))
    return file, f"Samples, and below each the nearest of {len(known):,} training molecules."


def properties(made: Sequence[str], known: Sequence[str], file: Path) -> tuple[Path, str]:
    """Draw densities of QED, logP, SA score and weight of samples and training molecules."""
    from matplotlib.figure import Figure

    labels = f"train ({len(known):,})", f"samples ({len(made):,})"
    names = [name.lower() for name in PROPERTIES]
    sides = [np.array(values_of(side, names)) for side in (known, made)]
    sides = [side[np.isfinite(side).all(1)] for side in sides]
    figure = Figure(figsize=(3 * len(PROPERTIES), 2.4))
    axes = figure.subplots(1, len(PROPERTIES))
    for i, (name, axis) in enumerate(zip(PROPERTIES, axes, strict=True)):
        both = np.concatenate([side[:, i] for side in sides])
        low, high = np.quantile(both, [0.005, 0.995]).tolist()
        bins = np.linspace(low, high, 31)
        for side, label in zip(sides, labels, strict=True):
            axis.hist(side[:, i], bins, density=True, histtype="step", label=label)
        axis.set_title(name, fontsize=9)
        axis.set_yticks([])
    axes[0].legend(fontsize=7)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=120)
    return file, "Properties of samples and training molecules, as densities."
