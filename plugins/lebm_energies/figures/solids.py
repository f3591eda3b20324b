"""Figures of a model of solids: data, samples, completion and super-resolution."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.models.ebm import EBM
from lebm_core.priors.protocols import Coupled
from lebm_energies.data.solids import SolidData
from lebm_energies.evaluators.filling import completed, every_second
from lebm_energies.pictures import draw_solids

__all__ = ["pictures"]

COLUMNS = 8
KNOWN = 0.3  # share of the voxels of a solid that is filled in


def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw real solids, samples given each class, completion and super-resolution."""
    data = evaluation.need(SolidData, "energies.solids")
    model, generator = evaluation.model, evaluation.generator
    folder = evaluation.folder / "figures"
    split = next((s for s in ("test", "valid", "train") if data.length(s)), "")
    rows = [] if not split else [(split, data.raw(data.all(split, COLUMNS).x))]
    if isinstance(model.prior, Coupled) and model.prior.n_classes == len(data.classes):
        for k, name in enumerate(data.classes):
            drawn = model.decode_mode(model.prior.sample(COLUMNS, y=k, generator=generator))
            rows.append((f"samples:\n{name}", data.raw(drawn)))
    else:
        drawn = model.sample(2 * COLUMNS, generator=generator)
        rows += [("samples", data.raw(drawn[:COLUMNS])), ("", data.raw(drawn[COLUMNS:]))]
    yield draw_solids(rows, folder / "samples.png"), "Solids of the data, and samples of the model."
    if not split or not isinstance(model, EBM):
        return
    x = data.all(split, COLUMNS).x
    scattered = torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) < KNOWN
    caption = "Completion: solids of which 70 % of the voxels are unknown, a draw of the model."
    yield _filled(evaluation, data, x, scattered, "filled in", folder / "recovery.png"), caption
    caption = "Super-resolution: from every eighth voxel, on a grid, to all, a draw of the model."
    file = folder / "super-resolution.png"
    yield _filled(evaluation, data, x, every_second(x), "super-\nresolution", file), caption


def _filled(
    evaluation: Evaluation, data: SolidData, x: Tensor, mask: Tensor, name: str, file: Path
) -> Path:
    rows = [
        ("known", data.raw(torch.where(mask, x, 0.0))),
        (name, data.raw(completed(evaluation, x, mask))),
        ("true", data.raw(x)),
    ]
    return draw_solids(rows, file)
