"""Data set "cooperative.halves": one half of a digit is given, the other to be filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.checks import choice, whole
from lebm_core.base.files import read_json
from lebm_core.errors import UsageError

__all__ = ["HALVES", "Halves", "halves"]

FILE = "halves.json"
HALVES = ("upper", "lower", "left", "right")


class Halves(Dataset):
    """Images x (B, 1, H, W) of the missing half, and the known half as context (B, H W).

    Args:
        images: whole ones of each split, (N, 1, side, side) in [-1, 1].
        labels: (N,) class ids of each split, for what is told of them.
        known: which half is the context.
        side: of a whole image, even.
    """

    suffix: ClassVar[str] = ".npz"
    figures: ClassVar[str] = "cooperative.halves"

    def __init__(
        self,
        images: Mapping[str, Tensor],
        labels: Mapping[str, Tensor],
        known: str,
        side: int,
    ) -> None:
        self.images, self.labels, self.known, self.side = dict(images), dict(labels), known, side
        self.sizes = {"context_dim": side * side // 2}
        counts = {split: len(x) for split, x in self.images.items()}
        self.summary = {"source": "scikit-learn's digits", "known": known, "counts": counts}

    def length(self, split: str) -> int:
        return len(self.images.get(split, ()))

    def batch(self, split: str, index: Tensor) -> Batch:
        given, missing = self.cut(self.images[split][index])
        return Batch(missing, context=given.flatten(1), rows=index)

    def cut(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The known half and the missing one of whole images (B, 1, side, side)."""
        first, second = images.chunk(2, self._axis)
        return (first, second) if self.known in ("upper", "left") else (second, first)

    def joined(self, missing: Tensor, context: Tensor) -> Tensor:
        """Whole images of a missing half, filled in, and the context (B, c)."""
        given = context.view_as(missing)
        halves = (given, missing) if self.known in ("upper", "left") else (missing, given)
        return torch.cat(halves, self._axis)

    @property
    def _axis(self) -> int:
        return 2 if self.known in ("upper", "lower") else 3

    def write(self, x: Tensor, path: Path) -> Path:
        file = path.with_name(path.name + self.suffix)
        np.savez_compressed(file, x=x.numpy(force=True))
        return file

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps({"known": self.known, "side": self.side}) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = read_json(folder / FILE)
        if not isinstance(found, dict) or found.get("known") not in HALVES:
            raise UsageError(f"{folder / FILE} is not as a run writes it.")
        return cls({}, {}, found["known"], whole("side", found.get("side"), 2, 10_000))


def halves(
    *,
    files: Any,
    seed: int,
    known: Literal["upper", "lower", "left", "right"] = "upper",
    valid: int = 200,
    test: int = 500,
) -> Halves:
    """Halves of scikit-learn's 1,797 handwritten digits of 8 x 8; they come with it.

    Args:
        files: not used.
        seed: of the split, which is that of images.digits.
        known: the half that is given; the other one is x.
        valid: images to choose by.
        test: images to judge by.
    """
    from sklearn.datasets import load_digits

    choice("data.known", known, HALVES)
    found = load_digits()
    n = len(found.target)
    valid, test = whole("data.valid", valid, 1, n // 3), whole("data.test", test, 1, n // 3)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    x = torch.from_numpy(found.images).float()[:, None] / 8 - 1
    y = torch.from_numpy(found.target).long()
    sizes = [test, valid, n - test - valid]
    cuts = dict(zip(("test", "valid", "train"), order.split(sizes), strict=True))
    images, labels = ({s: each[rows] for s, rows in cuts.items()} for each in (x, y))
    return Halves(images, labels, known, 8)
