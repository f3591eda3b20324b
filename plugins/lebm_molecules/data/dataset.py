"""Molecules as a `lebm_core` data set: token ids of SMILES or SELFIES."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from lebm_core.sequences.dataset import TokenDataset, write_lines
from lebm_molecules.data.tokens import MoleculeTokens
from lebm_molecules.view import MoleculeView

__all__ = ["MoleculeDataset"]

PICTURED = 48
EMPTY = "<empty>"  # a sample without symbols: a blank line would not be counted


class MoleculeDataset(TokenDataset):
    """`TokenDataset` whose strings are SMILES, and whose samples are written as .smi."""

    file = "text.json"  # as saved models have it
    suffix: ClassVar[str] = ".smi"
    figures: ClassVar[str] = "molecules.interpolation"

    def __init__(self, tokenizer: MoleculeTokens, *args: Any, **options: Any) -> None:
        super().__init__(tokenizer, *args, **options)
        self.sizes["symbols"] = list(tokenizer.symbols)

    def write(self, x: Tensor, path: Path) -> Path:
        """Write one SMILES a line to `path` with the suffix .smi."""
        return write_lines((smiles or EMPTY for smiles in self.strings(x)), path, self.suffix)

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Draw the first 48 samples that are molecules to `path` with the suffix .png."""
        from lebm_molecules.chemistry.drawing import draw
        from lebm_molecules.chemistry.rdkit import canonical_all

        smiles = self.strings(x)
        valid = [s for s, (form, _) in zip(smiles, canonical_all(smiles), strict=True) if form]
        if not valid:
            return None
        return draw(valid[:PICTURED], path.with_name(path.name + ".png"))[0]

    def view(self) -> MoleculeView:
        """Draw each molecule, and take a SMILES."""
        return MoleculeView(self)

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        """Return qed, logp, sa (SA score), weight (g/mol) and plogp of each molecule, by RDKit.

        Penalised logP is logP - SA score - rings of more than 6 atoms, not standardised.
        """
        from lebm_molecules.chemistry.properties import SAMPLED_BY, values_of

        values = values_of(self.strings(self.batch(split, index).x), SAMPLED_BY)
        columns = torch.tensor(values, dtype=torch.float32).reshape(-1, len(SAMPLED_BY)).T
        return dict(zip(SAMPLED_BY, columns, strict=True))

    def vectors(self, split: str, index: Tensor) -> Any:
        """Return Morgan fingerprints of the molecules as counts, (n, 2048) in CSR form."""
        from lebm_molecules.data.labels import fingerprints

        return fingerprints(self.strings(self.batch(split, index).x))

    def new(self, source: Any) -> Self:
        """Read molecules of a file or in memory, see `new_molecules`."""
        from lebm_molecules.data.new import new_molecules

        ids, given = new_molecules(source, self.reading, self.tokenizer)
        return self.of_new(ids, given.records, given.labels)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote; the splits are empty."""
        saved = cls.saved(folder)
        tokens = MoleculeTokens.of_json(saved["tokenizer"], folder / cls.file)
        kept = {key: saved[key] for key in ("classes", "reading")}
        return cls(tokens, {}, saved["summary"], saved["max_length"], **kept)
