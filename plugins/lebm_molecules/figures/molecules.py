"""Figures of molecules: samples, their nearest training molecules, densities of properties."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lebm_core.base.files import replace_file
from lebm_molecules.chemistry.describe import PROPERTIES, fingerprint
from lebm_molecules.chemistry.distances import tanimoto, unpack
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.chemistry.rdkit import quiet

__all__ = ["draw", "neighbours", "properties"]

SIZE = 260, 200  # pixels of one molecule
COLUMNS = 6


def draw(
    smiles: Sequence[str], file: Path, labels: Sequence[str] = (), columns: int = COLUMNS
) -> tuple[Path, str]:
    """Draw a grid of molecules; a string that is no molecule is an empty place with a label.

    Args:
        smiles: one for each place.
        file: the PNG.
        labels: a line under each; by default nothing.
        columns: of the grid.
    """
    from rdkit import Chem
    from rdkit.Chem import Draw

    with quiet():
        molecules = [Chem.MolFromSmiles(each) or Chem.Mol() for each in smiles]
        below = [
            label if molecule.GetNumAtoms() else textwrap.shorten(each, 40) + "  (no molecule)"
            for each, molecule, label in zip(
                smiles, molecules, labels or [""] * len(smiles), strict=True
            )
        ]
        image: Any = Draw.MolsToGridImage(
            molecules, molsPerRow=columns, subImgSize=SIZE, legends=below
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, lambda part: image.save(part, format="PNG"))
    return file, "Valid samples of the model, the first ones drawn."


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
