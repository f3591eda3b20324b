"""molecules.quality: the scores of `lebm molecules evaluate` for a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.evaluation.aggregate import decoded_posterior
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.priors.protocols import Tilted
from lebm_core.sequences.dataset import rows_of
from lebm_molecules.chemistry.drawing import draw
from lebm_molecules.chemistry.rdkit import canonical_all
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import Line
from lebm_molecules.figures.molecules import neighbours, properties
from lebm_molecules.metrics.quality_scores import Molecules, evaluate, summary

__all__ = ["RATIOS", "Quality"]

DECODED = 500  # codes decoded at once
# Of training molecules these are 1 or 0.
RATIOS = (
    "validity", "uniqueness", "uniqueness_1k", "uniqueness_10k", "novelty",
    "uniqueness_as_published", "novelty_as_published",
)  # fmt: skip


@dataclass(frozen=True)
class Quality:
    """The metric molecules.quality.

    Attributes:
        stereo: whether molecules that differ in stereochemistry alone are different
        compared_molecules: of each side, whose distributions are compared; 0 for all
        pictured: samples that are drawn; 0 for no figure
    """

    stereo: bool = True
    compared_molecules: int = 5_000
    pictured: int = 24
    # Summaries of a data set's splits, which the rows of a table share.
    known: dict[tuple[MoleculeDataset, str], Molecules] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __call__(self, evaluation: Evaluation) -> Mapping[str, Value]:
        """Return the scores of samples; with the model rows "real", "aggregate", "reference"."""
        data, split = evaluation.need(MoleculeDataset, "molecules.quality"), evaluation.split
        made, train = _smiles(data, list(evaluation.samples)), _smiles(data, data.rows("train"))
        score = partial(
            evaluate,
            train=self._summary(evaluation, data, "train"),
            test=self._summary(evaluation, data, split),
            stereo=self.stereo,
            compared=self.compared_molecules,
            processes=evaluation.processes,
        )
        values = score(made)
        if evaluation.name == "model":
            some = subset(len(train), len(made), evaluation.seed).tolist()
            real = score([train[i] for i in some])
            values |= in_row("real", {k: v for k, v in real.items() if k not in RATIOS})
            model = evaluation.model
            if model.latent_dim:
                codes = decoded_posterior(
                    model, data, len(made), seed=evaluation.seed, generator=evaluation.generator
                )
                values |= in_row("aggregate", score(_smiles(data, codes)))
            if isinstance(model.prior, Tilted):
                untilted = _smiles(data, _untilted(evaluation, len(made)))
                values |= in_row("reference", score(untilted))
        if self.pictured:
            self._draw(evaluation, made, train)
        return values

    def _summary(self, evaluation: Evaluation, data: MoleculeDataset, split: str) -> Molecules:
        """The summary of a split, computed once."""
        if (data, split) not in self.known:
            self.known[data, split] = summary(
                _smiles(data, data.rows(split)), stereo=self.stereo,
                compared=self.compared_molecules, processes=evaluation.processes,
            )  # fmt: skip
        return self.known[data, split]

    def _draw(self, evaluation: Evaluation, made: list[Line], train: list[Line]) -> None:
        """Draw samples, their neighbours, and densities of properties."""
        first = [smiles for _, smiles in made[: 20 * self.pictured]]
        forms = canonical_all(first)
        valid = [smiles for smiles, (form, _) in zip(first, forms, strict=True) if form]
        near = [train[i][1] for i in subset(len(train), 5_000, evaluation.seed).tolist()]
        folder = evaluation.folder / "figures"
        if valid:
            evaluation.figure(*draw(valid[: self.pictured], folder / "molecules.png"))
            evaluation.figure(*neighbours(valid[:6], near, folder / "neighbours.png"))
            evaluation.figure(*properties(valid, near[:1_000], folder / "properties.png"))


def _smiles(data: MoleculeDataset, rows: Sequence[Tensor]) -> list[Line]:
    return [(n, data.tokenizer.decode(row.tolist())) for n, row in enumerate(rows, 1)]


@torch.no_grad()
def _untilted(evaluation: Evaluation, n: int) -> list[Tensor]:
    """Samples with z ~ p0 and the same decoder: the baseline of the tilt."""
    model, generator = evaluation.model, evaluation.generator
    rows: list[Tensor] = []
    for first in range(0, n, DECODED):
        z = model.prior.draw_reference(min(DECODED, n - first), generator)
        rows += rows_of(model.decode(z, generator=generator))
    return rows
