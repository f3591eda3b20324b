"""Figures of completed halves: the image, what is given, the initialiser, the solver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from lebm_cooperative.data.halves import Halves
from lebm_core.base.files import replace_file
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["pictures"]

COLUMNS = 16


def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw test images over their halves filled in, before and after the chain."""
    data = evaluation.need(Halves, "cooperative.halves")
    split = evaluation.split
    rows = torch.arange(min(COLUMNS, data.length(split)))
    batch = data.batch(split, rows)
    assert batch.context is not None
    known = batch.context
    lines = {
        "image": data.joined(batch.x, known),
        "given": data.joined(torch.full_like(batch.x, -1.0), known),
    }
    start = _filled(evaluation.model, known, evaluation, refine=False)
    lines["start"] = data.joined(start, known)
    if getattr(evaluation.model, "refine", False):
        end = _filled(evaluation.model, known, evaluation)
        lines["refined"] = data.joined(end, known)
    figure = Figure(figsize=(0.5 * len(rows) + 0.9, 0.56 * len(lines)))
    axes = figure.subplots(len(lines), len(rows), squeeze=False)
    for axis_row, (title, images) in zip(axes, lines.items(), strict=True):
        for axis, image in zip(axis_row, images, strict=True):
            axis.imshow(image[0], cmap="gray_r", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
        axis_row[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=8)
    figure.subplots_adjust(0.09, 0.01, 0.995, 0.99, 0.06, 0.06)
    file = evaluation.folder / "figures" / "halves.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, lambda part: figure.savefig(part, dpi=90, format="png"))
    yield file, f"{split}: images, the half that is given, g(z, context), and that refined."


def _filled(
    model: LatentEBM, known: torch.Tensor, evaluation: Evaluation, **options: Any
) -> torch.Tensor:
    generator = torch.Generator(evaluation.generator.device).manual_seed(evaluation.seed)
    context = known.to(model.device)
    x: torch.Tensor = model.sample(len(known), context=context, generator=generator, **options)
    return x.cpu()
