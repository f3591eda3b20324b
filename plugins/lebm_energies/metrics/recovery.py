"""Filling in and super-resolution of voxels: by the model, beside what needs no model."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.solids import OCCUPIED, SolidData
from lebm_energies.evaluators.filling import completed, every_second, unknown_mask

__all__ = ["filled_solids", "nearest_by_known", "repeated"]


def nearest_by_known(x: Tensor, mask: Tensor, train: Tensor) -> Tensor:
    """The training example nearest to each x in its known numbers, by squared distance."""
    flat, kept, all_train = x.flatten(1), mask.flatten(1).float(), train.flatten(1)
    square = kept @ all_train.square().T - 2 * (kept * flat) @ all_train.T
    return train[square.argmin(1)]


def repeated(x: Tensor) -> Tensor:
    """x (B, C, ...) with each number of `every_second` in the place of its whole block."""
    for axis in range(2, x.ndim):
        rows = torch.arange(x.shape[axis], device=x.device) // 2 * 2
        x = x.index_select(axis, rows)
    return x


def filled_solids(
    evaluation: Evaluation,
    data: SolidData,
    n: int,
    known: float,
    steps: int,
    completions: int = 0,
) -> dict[str, Value]:
    """Errors of completion and of super-resolution, of test solids.

    Completion starts from a random share of the voxels, super-resolution from every eighth one,
    on a grid of half the resolution. The fewest wrong voxels has not a draw of p(unknown | known)
    but its mean above one half, which the mean of several draws estimates: a row of its own.

    Args:
        evaluation: of the model.
        data: solids.
        n: test solids.
        known: share of the voxels that is known, of completion.
        steps: of the chain that fills in.
        completions: draws that are averaged; 0 for none.
    """
    split = evaluation.split
    x = data.all(split, n).x
    if not len(x):
        return {}
    train = data.all("train").x
    mean = train.mean(0, keepdim=True).expand_as(x)
    masks = {
        "scattered": (
            unknown_mask(x, known, evaluation.generator),
            f"completion: {known:.0%} of the voxels are known, at random",
        ),
        "coarse": (
            every_second(x),
            "super-resolution: one voxel of each block of 2 x 2 x 2 is known",
        ),
    }
    values: dict[str, Value] = {}
    for name, (mask, known_as) in masks.items():
        drawn = [completed(evaluation, x, mask, steps) for _ in range(max(1, completions))]
        filled = {"": ("", drawn[0])}
        of = "" if evaluation.name == "model" else f"{evaluation.name}-"
        if completions > 1:
            averaged = torch.stack([(each > OCCUPIED).float() for each in drawn]).mean(0)
            filled[f"{of}average"] = (f"the mean of {completions} completions", averaged)
        if evaluation.name == "model":
            nearest = nearest_by_known(x, mask, train)
            filled["nearest"] = ("the training solid nearest in the known voxels", nearest)
            filled["mean"] = ("the mean training solid", mean)
            if name == "coarse":
                filled["repeated"] = ("each known voxel in the whole of its block", repeated(x))
        for row, (title, values_of) in filled.items():
            found = _errors(torch.where(mask, x, values_of), x, mask, split, name, known_as)
            values |= in_row(row, found, title) if row else found
    return values


def _errors(
    filled: Tensor, x: Tensor, mask: Tensor, split: str, name: str, known_as: str
) -> dict[str, Value]:
    wrong = ((filled > OCCUPIED) != (x > OCCUPIED)) & ~mask
    share = wrong.flatten(1).sum(1) / (~mask).flatten(1).sum(1).clamp(min=1)
    ours, true = filled.flatten(1) > OCCUPIED, x.flatten(1) > OCCUPIED
    overlap = (ours & true).sum(1) / (ours | true).sum(1).clamp(min=1)
    return {
        f"{name}_error": Value.mean(
            share.double(), split, f"share of unknown voxels filled in wrongly; {known_as}",
            better="lower",
        ),
        f"{name}_overlap": Value.mean(
            overlap.double(), split,
            f"occupancy overlap (IoU) of the whole solid with the true one; {known_as}",
            better="higher",
        ),
    }  # fmt: skip
