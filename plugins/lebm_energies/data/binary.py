"""Small binary images: bars and stripes, of a known density, and scikit-learn's digits."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.base.checks import whole, within

__all__ = ["Bars", "BinaryImages", "bars", "binary_digits"]


class BinaryImages(Dataset):
    """Images of zeros and ones, x (B, 1, side, side).

    Args:
        images: (N, 1, side, side) of each split.
        side: pixels of a side.
        summary: facts for the report.
        labels: (N,) class ids of each split, where there are classes.
        classes: their names.
    """

    suffix: ClassVar[str] = ".npz"
    figures: ClassVar[str] = "energies.binary-images"

    def __init__(
        self,
        images: dict[str, Tensor],
        side: int,
        summary: dict[str, Any],
        labels: dict[str, Tensor] | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        self.images, self.side, self.labels = images, side, labels or {}
        self.classes = classes
        self.sizes = {"channels": 1, "side": side}
        if classes:
            self.sizes["n_classes"] = len(classes)
        counts = {split: len(x) for split, x in images.items()}
        self.summary = {**summary, "counts": counts}

    def length(self, split: str) -> int:
        return len(self.images.get(split, ()))

    def batch(self, split: str, index: Tensor) -> Batch:
        y = self.labels.get(split)
        return Batch(self.images[split][index], None if y is None else y[index], rows=index)

    def log_prob(self, x: Tensor) -> Tensor | None:
        """log p(x), (B,) in nats, where the truth is known, else None."""
        return None

    def write(self, x: Tensor, path: Path) -> Path:
        file = path.with_name(path.name + self.suffix)
        np.savez_compressed(file, x=x.numpy(force=True).astype(np.uint8))
        return file

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        table = {"side": self.side, "classes": list(self.classes)}
        (folder / "binary.json").write_text(json.dumps(table) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = json.loads((folder / "binary.json").read_text())
        read = cls.__new__(cls)
        BinaryImages.__init__(read, {}, found["side"], {}, classes=tuple(found["classes"]))
        return read


class Bars(BinaryImages):
    """Bars or stripes, by a fair coin, each line on or off by another; then pixels are flipped.

    Without flips there are 2 (2^side - 1) images: those of one colour come up twice as often.
    Source: MacKay, "Information theory, inference, and learning algorithms", 2003, chapter 43.

    Args:
        side: pixels of a side.
        flips: probability with which a pixel is flipped.
        counts: images of each split.
        seed: of the draw.
    """

    def __init__(self, side: int, flips: float, counts: dict[str, int], seed: int) -> None:
        self.flips = flips
        generator = torch.Generator().manual_seed(seed)
        images = {}
        for split, n in counts.items():
            lines = torch.rand(n, 1, side, 1, generator=generator) < 0.5
            bars = lines.expand(n, 1, side, side)
            upright = torch.rand(n, 1, 1, 1, generator=generator) < 0.5
            flipped = torch.rand(n, 1, side, side, generator=generator) < flips
            images[split] = (torch.where(upright, bars.transpose(2, 3), bars) ^ flipped).float()
        super().__init__(images, side, {"source": "simulated: bars and stripes", "flips": flips})

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) of images (B, 1, side, side), (B,) in nats."""
        on, side = x.double().flatten(1).view(-1, self.side, self.side), self.side
        parts = []
        for across in (on.sum(2), on.sum(1)):  # ones of each line
            right = torch.log(torch.tensor([1 - self.flips, self.flips], dtype=torch.float64))
            both = torch.stack([
                _times(across, right[0]) + _times(side - across, right[1]),
                _times(across, right[1]) + _times(side - across, right[0]),
            ])  # fmt: skip
            parts.append((both.logsumexp(0) - math.log(2)).sum(1))
        return torch.stack(parts).logsumexp(0) - math.log(2)


def _times(count: Tensor, log_p: Tensor) -> Tensor:
    """count * log p, 0 where the count is 0."""
    return torch.where(count == 0, 0.0, count * log_p)


def bars(
    *,
    files: Any,
    seed: int,
    side: int = 4,
    flips: float = 0.0,
    train: int = 2000,
    valid: int = 1000,
    test: int = 2000,
) -> Bars:
    """Bars and stripes.

    Args:
        files: not used: the images are simulated.
        seed: of the draw.
        side: pixels of a side.
        flips: probability with which a pixel is flipped; 0: the truth has zeros.
        train: training images.
        valid: validation images.
        test: test images.
    """
    whole("data.side", side, 2, 64)
    within("data.flips", flips, 0, 0.5)
    counts = {"train": whole("data.train", train, 1, 10**7)}
    counts |= {"valid": whole("data.valid", valid, 0, 10**7)}
    counts |= {"test": whole("data.test", test, 0, 10**7)}
    return Bars(side, flips, counts, seed)


def binary_digits(
    *, files: Any, seed: int, threshold: float = 8.0, valid: int = 200, test: int = 400
) -> BinaryImages:
    """Handwritten digits of 8 x 8 pixels, black or white, which scikit-learn carries.

    Args:
        files: not used.
        seed: of the split.
        threshold: of 0 to 16 levels of grey, from which on a pixel is 1.
        valid: validation images.
        test: test images.
    """
    from sklearn.datasets import load_digits

    within("data.threshold", threshold, 0.5, 16)
    found = load_digits()
    n = len(found.target)
    valid, test = whole("data.valid", valid, 0, n // 3), whole("data.test", test, 0, n // 3)
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    x = (torch.from_numpy(found.data) >= threshold).float().view(-1, 1, 8, 8)
    y = torch.from_numpy(found.target).long()
    splits = dict(
        zip(("test", "valid", "train"), rows.split([test, valid, n - test - valid]), strict=True)
    )
    return BinaryImages(
        {split: x[index] for split, index in splits.items()},
        8,
        {"source": "scikit-learn's digits, thresholded", "threshold": threshold},
        {split: y[index] for split, index in splits.items()},
        tuple(str(digit) for digit in range(10)),
    )
