"""Data set "energies.solids": chairs, tables and lamps in voxels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.data.splits import SplitCounts
from lebm_energies.data.furniture import CLASSES, furniture
from lebm_energies.data.generated import Generated
from lebm_energies.data.parts import Numbers, inside

__all__ = ["OCCUPIED", "SolidData", "solids", "voxels_of"]

COUNTS = SplitCounts()
PICTURED = 12
OCCUPIED = 0.5  # above it a number is a voxel


class SolidData(Generated):
    """Solids in voxels; x is (B, 1, S, S, S) with 1 inside and 0 outside, the last axis up.

    Empty space is 0, where a Gaussian reference has its mean: nothing has to be learned there.
    """

    figures: ClassVar[str] = "energies.solids"

    def raw(self, x: Tensor) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which voxels of samples are occupied, (N, S, S, S)."""
        occupied: np.ndarray[Any, np.dtype[np.bool_]] = (x[:, 0] > OCCUPIED).numpy(force=True)
        return occupied

    def clean(self, x: Tensor) -> Tensor:
        """Samples as 0 and 1."""
        return (x > OCCUPIED).float()

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Write the first 12 samples to `path` with the suffix .png."""
        from lebm_energies.pictures import draw_solids

        if not len(x):
            return None
        return draw_solids([("", self.raw(x[:PICTURED]))], path.with_name(path.name + ".png"))


def solids(*, files: Any, seed: int, options: SplitCounts = COUNTS, side: int = 16) -> SolidData:
    """Chairs, tables and lamps of random proportions, as voxels.

    Args:
        files: not used: the solids are generated.
        seed: of their proportions.
        side: voxels along each axis

    Raises:
        UsageError: for a side of fewer than 4 voxels or more than 64.
    """
    whole("data.side", side, 4, 64)
    rng = np.random.default_rng(seed)
    centres = centres_of(side)
    x, y = {}, {}
    for split, n in options.sizes.items():
        labels = np.arange(n) % len(CLASSES)
        drawn = [voxels_of(furniture(CLASSES[k], rng), centres) for k in labels]
        x[split] = torch.from_numpy(np.stack(drawn)).float()[:, None]
        y[split] = torch.from_numpy(labels)
    share = float(x["train"].mean())
    summary = {
        "source": "generated: chairs, tables and lamps", "counts": options.sizes,
        "occupied": round(share, 4),
    }  # fmt: skip
    return SolidData(x, y, CLASSES, summary, {"side": side})


def centres_of(side: int) -> Numbers:
    """The centres of the voxels of a room from -1 to 1, (side ** 3, 3)."""
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)


def voxels_of(parts: list[Any], centres: Numbers) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which voxels have their centre inside a part, (S, S, S)."""
    side = round(len(centres) ** (1 / 3))
    return inside(parts, centres).reshape(side, side, side)
