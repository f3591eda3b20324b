"""Two rings in the plane, drawn from the seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lebm_core import Batch, Dataset
from lebm_core.data.files import DataFiles

RADII = (1.0, 2.0)


def rings(*, files: DataFiles, seed: int, points: int = 512, noise: float = 0.1) -> Rings:
    """Points around two circles with the same centre.

    Args:
        files: not used.
        seed: of the draw.
        points: of the training split; the test split has a quarter of that.
        noise: standard deviation around a circle.
    """
    generator = torch.Generator().manual_seed(seed)
    splits = {}
    for split, n in (("train", points), ("test", points // 4)):
        y = torch.randint(len(RADII), (n,), generator=generator)
        angle = 2 * math.pi * torch.rand(n, generator=generator)
        circle = torch.stack([angle.cos(), angle.sin()], 1) * torch.tensor(RADII)[y, None]
        splits[split] = circle + noise * torch.randn(n, 2, generator=generator), y
    return Rings(splits, noise)


class Rings(Dataset):
    """Points (B, 2), their class the ring.

    Args:
        splits: points and classes of each split.
        noise: standard deviation around a circle.
    """

    suffix: ClassVar[str] = ".csv"
    figures: ClassVar[str] = "strange.points"

    def __init__(self, splits: Mapping[str, tuple[Tensor, Tensor]], noise: float) -> None:
        self.splits, self.noise = splits, noise
        self.sizes = {"features": 2, "n_classes": len(RADII)}
        self.classes = ("inner", "outer")
        self.summary = {f"{split} points": len(x) for split, (x, _) in splits.items()}

    def length(self, split: str) -> int:
        return len(self.splits[split][0]) if split in self.splits else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        x, y = self.splits[split]
        return Batch(x[index], y[index], rows=index)

    def write(self, x: Tensor, path: Path) -> Path:
        file = path.with_name(path.name + self.suffix)
        file.write_text("\n".join(f"{a:.6g},{b:.6g}" for a, b in x.tolist()) + "\n")
        return file

    def save(self, folder: Path) -> None:
        (folder / "rings.json").write_text(json.dumps({"noise": self.noise}))

    @classmethod
    def load(cls, folder: Path) -> Rings:
        return cls({}, json.loads((folder / "rings.json").read_text())["noise"])
