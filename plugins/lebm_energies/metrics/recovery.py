"""Filling in: unknown voxels of solids by the model, beside what needs no model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_energies.data.solids import OCCUPIED, SolidData
from lebm_energies.evaluators.filling import completed

__all__ = ["every_second", "filled_solids", "nearest_by_known", "unknown_mask"]


def unknown_mask(x: Tensor, known: float, generator: torch.Generator) -> Tensor:
    """Where x is known: each number by itself with probability `known`."""
    return torch.rand(x.shape, generator=generator) < known


def every_second(x: Tensor) -> Tensor:
    """Where x (B, C, ...) is known: one number of each block of two along every axis."""
    mask = torch.ones_like(x, dtype=torch.bool)
    for axis in range(2, x.ndim):
        keep = torch.arange(x.shape[axis]) % 2 == 0
        mask &= keep.view([-1 if a == axis else 1 for a in range(x.ndim)])
    return mask


def nearest_by_known(x: Tensor, mask: Tensor, train: Tensor) -> Tensor:
    """The training example nearest to each x in its known numbers, by squared distance."""
    flat, kept, all_train = x.flatten(1), mask.flatten(1).float(), train.flatten(1)
    square = kept @ all_train.square().T - 2 * (kept * flat) @ all_train.T
    return train[square.argmin(1)]


def filled_solids(
    evaluation: Evaluation, data: SolidData, n: int, known: float, steps: int
) -> dict[str, Value]:
    """Errors of solids filled in from a random share of their voxels, and from every eighth one."""
    split = evaluation.split
    x = data.all(split, n).x
    if not len(x):
        return {}
    train = data.all("train").x
    mean = train.mean(0, keepdim=True).expand_as(x)
    masks = {
        "scattered": (
            unknown_mask(x, known, evaluation.generator),
            f"{known:.0%} of the voxels are known, at random",
        ),
        "coarse": (every_second(x), "one voxel of each block of 2 x 2 x 2 is known"),
    }
    values: dict[str, Value] = {}
    for name, (mask, known_as) in masks.items():
        fillings: dict[str, tuple[str, Callable[[], Tensor]]] = {
            "": ("", lambda mask=mask: completed(evaluation, x, mask, steps)),  # type: ignore[misc]
        }
        if evaluation.name == "model":
            fillings["nearest"] = (
                "the training solid nearest in the known voxels",
                lambda mask=mask: nearest_by_known(x, mask, train),  # type: ignore[misc]
            )
            fillings["mean"] = ("the mean training solid", lambda: mean)
        for row, (title, fill) in fillings.items():
            found = _errors(torch.where(mask, x, fill()), x, mask, split, name, known_as)
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
