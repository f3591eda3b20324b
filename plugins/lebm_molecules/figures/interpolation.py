"""Molecules on the line between the codes of two."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from lebm_core.evaluation.evaluation import Evaluation
from lebm_molecules.chemistry.drawing import draw
from lebm_molecules.data.dataset import MoleculeDataset

__all__ = ["interpolation"]

POINTS = 12
CAPTION = "On the line between the codes of two molecules, the first and the last."


def interpolation(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw greedy decodings of points between two molecules, where the model has a z."""
    data, model = evaluation.need(MoleculeDataset, "molecules.interpolation"), evaluation.model
    split = next((s for s in ("test", "valid", "train") if data.length(s) > 1), "")
    if not split or model.latent_dim == 0:
        return
    first, last = (data.batch(split, torch.tensor([i])).x.to(model.device) for i in (0, 1))
    between = model.interpolate(first, last, POINTS, generator=evaluation.generator)
    file, _ = draw(data.strings(between), evaluation.folder / "figures" / "interpolation.png")
    yield file, CAPTION
