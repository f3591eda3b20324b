"""Data set "energies.clouds": points on the surfaces of boxes, cones and rings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.checks import choice, whole
from lebm_core.data.splits import SplitCounts
from lebm_core.errors import UsageError
from lebm_energies.data.furniture import CLASSES as FURNITURE
from lebm_energies.data.furniture import furniture
from lebm_energies.data.generated import Generated
from lebm_energies.data.parts import Box, Frustum, Part, Torus, on_surface

__all__ = ["CloudData", "clouds"]

COUNTS = SplitCounts(train=1500, valid=200, test=300)
PICTURED = 12


def _box(rng: np.random.Generator) -> list[Part]:
    a, b, c = rng.uniform(0.4, 0.8, 3)
    return [Box((-a, -b, -c), (a, b, c))]


def _cone(rng: np.random.Generator) -> list[Part]:
    high = rng.uniform(0.6, 0.9)
    return [Frustum((0, 0), -high, high, rng.uniform(0.5, 0.85), 0.0)]


def _ring(rng: np.random.Generator) -> list[Part]:
    return [Torus((0, 0, 0), rng.uniform(0.5, 0.7), rng.uniform(0.12, 0.25))]


SOLIDS: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "box": _box, "cone": _cone, "ring": _ring
}  # fmt: skip


class CloudData(Generated):
    """Clouds of points; x is (B, P, 3) in about [-1, 1], the last axis up."""

    figures: ClassVar[str] = "energies.clouds"

    def picture(self, x: Tensor, path: Path) -> Path | None:
        """Write the first 12 samples to `path` with the suffix .png."""
        from lebm_energies.pictures import draw_clouds

        if not len(x):
            return None
        return draw_clouds([("", self.raw(x[:PICTURED]))], path.with_name(path.name + ".png"))


def clouds(
    *, files: Any, seed: int, options: SplitCounts = COUNTS, points: int = 128,
    kinds: list[str] | None = None,
) -> CloudData:  # fmt: skip
    """Points drawn uniformly on surfaces of random proportions.

    Args:
        files: not used: the clouds are generated.
        seed: of the proportions and of the points.
        points: of each cloud
        kinds: of the surfaces, the classes: box, cone, ring, chair, table, lamp

    Raises:
        UsageError: for no points, or a kind that there is not.
    """
    whole("data.points", points, 8, 4096)
    chosen = ["box", "cone", "ring"] if kinds is None else kinds
    if not chosen or len({*chosen}) < len(chosen):
        raise UsageError(f"data.kinds = {chosen} must be one or several kinds, each once.")
    for kind in chosen:
        choice("data.kinds", kind, [*SOLIDS, *FURNITURE])
    rng = np.random.default_rng(seed)
    x, y = {}, {}
    for split, n in options.sizes.items():
        labels = np.arange(n) % len(chosen)
        drawn = [on_surface(_parts(chosen[k], rng), points, rng) for k in labels]
        x[split] = torch.from_numpy(np.stack(drawn)).float()
        y[split] = torch.from_numpy(labels)
    summary = {"source": f"generated: {', '.join(chosen)}", "counts": options.sizes}
    classes = chosen if len(chosen) > 1 else []
    return CloudData(x, y if classes else {}, classes, summary, {"points": points})


def _parts(kind: str, rng: np.random.Generator) -> list[Part]:
    return SOLIDS[kind](rng) if kind in SOLIDS else furniture(kind, rng)
