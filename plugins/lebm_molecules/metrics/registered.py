"""molecules.quality and molecules.reconstruction: how good a trained model's molecules are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.errors import UsageError
from lebm_core.evaluation.aggregate import aggregate_rows
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.latent.amortized import Amortized
from lebm_core.priors.ebm import EBMPrior
from lebm_core.sequences.dataset import rows_of
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import Line
from lebm_molecules.figures.molecules import draw, neighbours, properties
from lebm_molecules.metrics.quality import Molecules, evaluate, summary

__all__ = ["quality", "reconstruction"]

Metric = Callable[[Evaluation], Mapping[str, Value]]
BATCH, DECODED = 100, 500  # molecules encoded, and codes decoded, at once
# Of training molecules these are 1 or 0, whatever they are compared with.
RATIOS = (
    "validity", "uniqueness", "uniqueness_1k", "uniqueness_10k", "novelty",
    "uniqueness_as_published", "novelty_as_published",
)  # fmt: skip


def molecules_of(evaluation: Evaluation) -> MoleculeDataset:
    """The data set, which these metrics need to be one of molecules."""
    if not isinstance(evaluation.dataset, MoleculeDataset):
        kind = type(evaluation.dataset).__name__
        raise UsageError(f"The metrics of molecules need a data set of molecules, not {kind}.")
    return evaluation.dataset


def _smiles(data: MoleculeDataset, rows: list[Tensor]) -> list[Line]:
    return [(n, data.tokenizer.decode(row.tolist())) for n, row in enumerate(rows, 1)]


@torch.no_grad()
def _untilted(evaluation: Evaluation, n: int) -> list[Tensor]:
    """Samples of the model with z ~ p0: what the tilt is to better, with the very same decoder."""
    model, generator = evaluation.model, evaluation.generator
    found: list[Tensor] = []
    for first in range(0, n, DECODED):
        z = model.prior.draw_reference(min(DECODED, n - first), generator)
        found += rows_of(model.decode(z, generator=generator))
    return found


def quality(*, stereo: bool = True, compared_molecules: int = 5_000, pictured: int = 24) -> Metric:
    """The metric molecules.quality: the figures of `lebm molecules evaluate`.

    Args:
        stereo: whether molecules that differ in stereochemistry alone are different
        compared_molecules: of each side, whose distributions are compared; 0 for all
        pictured: samples that are drawn; 0 for no picture
    """

    known: dict[tuple[MoleculeDataset, str], Molecules] = {}

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = molecules_of(evaluation), evaluation.split
        made, train = _smiles(data, list(evaluation.samples)), _smiles(data, data.rows("train"))
        for part, lines in (("train", train), (split, _smiles(data, data.rows(split)))):
            if (data, part) not in known:  # the rows of a table share them
                known[data, part] = summary(
                    lines, stereo=stereo, compared=compared_molecules,
                    processes=evaluation.processes,
                )  # fmt: skip
        measured = partial(
            evaluate, train=known[data, "train"], test=known[data, split], stereo=stereo,
            compared=compared_molecules, processes=evaluation.processes,
        )  # fmt: skip
        values = measured(made)
        if evaluation.name == "model":
            some = subset(len(train), len(made), evaluation.seed).tolist()
            found = measured([train[i] for i in some])
            values |= {f"real/{name}": found[name] for name in found if name not in RATIOS}
            if evaluation.model.latent_dim:
                codes = aggregate_rows(
                    evaluation.model, data, len(made), seed=evaluation.seed,
                    generator=evaluation.generator,
                )  # fmt: skip
                found = measured(_smiles(data, codes))
                values |= {f"aggregate/{name}": value for name, value in found.items()}
            if isinstance(evaluation.model.prior, EBMPrior):
                found = measured(_smiles(data, _untilted(evaluation, len(made))))
                values |= {f"reference/{name}": value for name, value in found.items()}
        if pictured:
            good = [smiles for _, smiles in made[: 20 * pictured] if canonical(smiles)[0]]
            near = [train[i][1] for i in subset(len(train), 5_000, evaluation.seed).tolist()]
            folder = evaluation.folder / "figures"
            if good:
                evaluation.figure(*draw(good[:pictured], folder / "molecules.png"))
                evaluation.figure(*neighbours(good[:6], near, folder / "neighbours.png"))
                evaluation.figure(*properties(good, near[:1_000], folder / "properties.png"))
        return values

    return metric


def reconstruction(*, reconstruction_molecules: int = 1_000) -> Metric:
    """The metric molecules.reconstruction: how many molecules come back from their code.

    Args:
        reconstruction_molecules: of the split; 0 for all
    """

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, data, split = evaluation.model, molecules_of(evaluation), evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), reconstruction_molecules, evaluation.seed)
        if not len(rows):
            return {}
        same = 0
        for index in rows[data.lengths(split)[rows].argsort(stable=True)].split(BATCH):
            x = data.batch(split, index).x.to(model.device)
            back = data.sentences(model.reconstruct(x, generator=evaluation.generator))
            for before, after in zip(data.sentences(x), back, strict=True):
                form = canonical(after)[0]
                same += form is not None and form == canonical(before)[0]
        n = len(rows)
        alone = isinstance(model.inference, Amortized)
        code = "the mean of q(z|x)" if alone else f"one draw of {type(model.inference).__name__}"
        share = same / n
        return {
            "reconstructed": Value(
                share, (share * (1 - share) / n) ** 0.5, n, split,
                f"Share of molecules that greedy decoding of {code} gives back, by canonical "
                "SMILES.",
            )
        }  # fmt: skip

    return metric
