"""Figure of a model of clips: strips of frames of data and samples, and frames filled in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from lebm_core.evaluation.evaluation import Evaluation
from lebm_energies.data.texture import ClipData
from lebm_energies.evaluators.filling import completed
from lebm_energies.pictures import draw_frames

__all__ = ["pictures"]

CLIPS = 3
GAP = 4  # frames in the middle that are filled in


def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw clips of the data, samples, and clips of which the middle is filled in."""
    data = evaluation.need(ClipData, "energies.clips")
    model, generator = evaluation.model, evaluation.generator
    folder = evaluation.folder / "figures"
    split = next((s for s in ("test", "valid", "train") if data.length(s)), "")
    real = data.all(split, CLIPS).x if split else torch.empty(0)
    drawn = model.sample(CLIPS, generator=generator).cpu()
    rows = [(split, clip[0].numpy()) for clip in real]
    rows += [("sample", clip[0].numpy()) for clip in drawn]
    yield (
        draw_frames(rows, folder / "samples.png"),
        "Clips of the data and samples of the model, frame by frame from left to right.",
    )
    if not len(real) or real.shape[2] < 3:
        return
    gap = min(GAP, real.shape[2] - 2)
    first = (real.shape[2] - gap) // 2
    mask = torch.ones_like(real, dtype=torch.bool)
    mask[:, :, first : first + gap] = False
    filled = completed(evaluation, real, mask)
    rows = []
    for known, clip, true in zip(torch.where(mask, real, -1.0), filled, real, strict=True):
        rows += [("known", known[0].numpy()), ("filled in", clip[0].numpy())]
        rows.append(("true", true[0].numpy()))
    caption = f"Clips of which {gap} frames are unknown, filled in by a chain of the model."
    yield draw_frames(rows, folder / "recovery.png"), caption
