"""Grids of images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from lebm_images.data.dataset import to_uint8

__all__ = ["grid", "neighbours"]


def grid(rows: Sequence[tuple[str, Tensor]], file: Path, columns: Sequence[str] = ()) -> Path:
    """Write a figure of rows of images, each with its name.

    Args:
        rows: a name and images (n, C, H, W) in [-1, 1].
        file: the PNG.
        columns: a heading for each column, or none.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    n = max(len(images) for _, images in rows)
    figure, axes = plt.subplots(len(rows), n, figsize=(0.8 * n + 1.2, 0.8 * len(rows) + 0.4))
    table = [[axes]] if len(rows) == n == 1 else axes.reshape(len(rows), n)
    for (name, images), line in zip(rows, table, strict=True):
        for i, axis in enumerate(line):
            axis.set_xticks([])
            axis.set_yticks([])
            for side in axis.spines.values():
                side.set_visible(False)
            if i < len(images):
                shown = to_uint8(images[i : i + 1])[0]
                axis.imshow(shown.squeeze(), cmap="gray", vmin=0, vmax=255)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
    for axis, heading in zip(table[0], columns, strict=False):
        axis.set_title(heading, fontsize=8)
    figure.savefig(file, dpi=120, bbox_inches="tight")
    plt.close(figure)
    return file


def neighbours(samples: Tensor, nearest: Tensor, file: Path) -> tuple[Path, str]:
    """Draw samples over their nearest training images."""
    grid([("samples", samples), ("nearest in train", nearest)], file)
    return file, "Samples, and the training image nearest to each in the classifier's features."
