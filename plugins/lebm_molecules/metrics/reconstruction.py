"""molecules.reconstruction: the share of molecules that come back from their code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.rdkit import canonical_all
from lebm_molecules.data.dataset import MoleculeDataset

__all__ = ["Reconstruction"]

BATCH = 100  # molecules encoded at once


@dataclass(frozen=True)
class Reconstruction:
    """The metric molecules.reconstruction.

    Attributes:
        reconstruction_molecules: molecules of the split; 0 for all
    """

    reconstruction_molecules: int = 1_000

    def __call__(self, evaluation: Evaluation) -> Mapping[str, Value]:
        """Return the share of molecules that greedy decoding of their code gives back."""
        data = evaluation.need(MoleculeDataset, "molecules.reconstruction")
        model, split = evaluation.model, evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), self.reconstruction_molecules, evaluation.seed)
        if not len(rows):
            return {}
        same = 0
        for index in rows[data.lengths(split)[rows].argsort(stable=True)].split(BATCH):
            x = data.batch(split, index).x.to(model.device)
            back = data.strings(model.reconstruct(x, generator=evaluation.generator))
            forms = canonical_all([*data.strings(x), *back])
            for (before, _), (after, _) in zip(forms[: len(x)], forms[len(x) :], strict=True):
                same += after is not None and after == before
        alone = model.inference.point() is not model.inference
        code = "the mean of q(z|x)" if alone else f"one draw of {type(model.inference).__name__}"
        text = f"Share of molecules that greedy decoding of {code} gives back, by canonical SMILES."
        return {"reconstructed": Value.share(same, split, text, of=len(rows), better="higher")}
