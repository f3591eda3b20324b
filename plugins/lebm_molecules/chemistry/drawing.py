"""Molecules drawn in a grid."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lebm_core.base.files import replace_file
from lebm_molecules.chemistry.rdkit import quiet

__all__ = ["draw"]

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
