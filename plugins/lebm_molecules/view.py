"""How a page shows molecules, and asks for one: by its SMILES."""

from __future__ import annotations

import io
from typing import Any, ClassVar

from torch import Tensor

from lebm_core.data.view import Shown, View

__all__ = ["MoleculeView"]

SIZE = 260, 200  # pixels of one molecule


class MoleculeView(View):
    """Each molecule drawn, its SMILES below; a string that is no molecule is there as it is."""

    dataset: Any  # a MoleculeDataset, which imports this module
    asks = "line"
    label: ClassVar[str] = "A SMILES"
    example = "CCO"

    def show(self, x: Any, context: Tensor | None = None) -> Shown:
        """Draw molecules, token ids x (n, T)."""
        from rdkit import Chem
        from rdkit.Chem import Draw

        from lebm_molecules.chemistry.rdkit import canonical_all, quiet

        strings = self.dataset.strings(x)
        pictures = []
        with quiet():
            for smiles, (form, _) in zip(strings, canonical_all(strings), strict=True):
                file = io.BytesIO()
                if form:
                    Draw.MolToImage(Chem.MolFromSmiles(form), size=SIZE).save(file, format="PNG")
                caption = smiles if form else f"{smiles or 'nothing'} (no molecule)"
                pictures.append((file.getvalue(), caption))
        return Shown(pictures)
