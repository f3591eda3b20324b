"""Samples as one picture."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from lebm_core.base.files import replace_file

__all__ = ["paths"]

MOST = 64  # that are drawn


def paths(futures: Tensor, unit: str, file: Path) -> Path | None:
    """Draw futures (n, steps, 2), each from (0, 0); None without any."""
    from matplotlib.figure import Figure

    if not len(futures):
        return None
    figure = Figure(figsize=(5, 5), layout="constrained")
    axis = figure.subplots()
    for path in futures[:MOST].cpu().tolist():
        right, up = zip((0.0, 0.0), *path, strict=True)
        axis.plot(right, up, lw=0.8, alpha=0.7)
        axis.plot(right[-1], up[-1], ".", color="0.2", ms=3)
    axis.plot(0, 0, "o", color="k", ms=5)
    axis.set(title=f"{min(MOST, len(futures))} futures", xlabel=unit, ylabel=unit)
    axis.set_aspect("equal", adjustable="datalim")
    if unit == "pixels":  # whose rows count downwards
        axis.invert_yaxis()
    replace_file(file, lambda part: figure.savefig(part, dpi=100, format="png"))
    return file
