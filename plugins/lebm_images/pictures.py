"""Grids of images for the report, every row or column labelled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.dynamics import Chain
from lebm_core.ebm_prior import EBMPrior
from lebm_core.errors import DivergenceError, UnsupportedEstimate
from lebm_core.model import LatentEBM
from lebm_images.dataset import to_uint8

if TYPE_CHECKING:
    from lebm_images.dataset import ImageDataset

__all__ = ["grid", "neighbours", "pictures"]

LONG = 2500  # steps of the long chain
SHOWN = (0, 20, 60, 150, 400, 1000, 2500)


def grid(rows: Sequence[tuple[str, Tensor]], file: Path, columns: Sequence[str] = ()) -> Path:
    """Writes a picture of rows of images, each with its name; `columns` head them.

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
    """Samples over their nearest training images."""
    grid([("samples", samples), ("nearest in train", nearest)], file)
    return file, "Samples, and the training image nearest to each in the classifier's features."


@torch.no_grad()
def pictures(
    data: ImageDataset, model: LatentEBM, folder: Path, generator: torch.Generator
) -> Iterator[tuple[Path, str]]:
    """Samples, reconstructions, an interpolation, completions, and a long prior chain."""
    shape = 8, 8
    x = model.sample(shape[0] * shape[1], generator=generator, noise=False).cpu()
    rows = [("samples" if i == 0 else "", part) for i, part in enumerate(x.split(shape[1]))]
    yield grid(rows, folder / "samples.png"), "Samples of the model: the mean of p(x|z)."
    split = next((s for s in ("test", "valid", "train") if data.length(s) >= 10), "")
    if not split:
        return
    real = data.batch(split, torch.arange(10)).x.to(model.device)
    back = model.reconstruct(real, generator=generator)
    rows = [(split, real.cpu()), ("reconstructed", back.cpu())]
    yield grid(rows, folder / "reconstructions.png"), f"Images of {split} and what came back."
    line = model.interpolate(real[:1], real[1:2], 10, generator=generator).cpu()
    yield (
        grid([("interpolation", line)], folder / "interpolation.png"),
        "On the line between the codes of two images.",
    )
    try:
        yield _completion(model, real, folder / "completion.png", generator)
    except (UnsupportedEstimate, DivergenceError):
        pass  # the prior has no density, or one too narrow for the chain's step
    if isinstance(model.prior, EBMPrior) and not model.prior.context_dim:
        yield _long_chain(model, folder / "chain.png", generator)


def _completion(
    model: LatentEBM, real: Tensor, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    mask = torch.zeros_like(real, dtype=torch.bool)
    mask[:, :, : real.shape[2] // 2] = True
    done = model.complete(real, mask, generator=generator).cpu()
    seen = torch.where(mask, real, torch.zeros_like(real)).cpu()
    grid([("seen", seen), ("completed", done), ("original", real.cpu())], file)
    return file, "Lower halves drawn from p(z | the upper half)."


def _long_chain(
    model: LatentEBM, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    prior: Any = model.prior
    trace = Chain(keep=SHOWN)
    prior.sample(6, generator=generator, steps=LONG, trace=trace)
    states = [trace.states[s].to(model.device) for s in SHOWN]
    decoded = torch.stack([model.decode_mode(z).cpu() for z in states], 1)
    energy = torch.stack([prior.energy(z).mean() for z in states]).tolist()
    columns = [f"{s}\n{e:.1f}" for s, e in zip(SHOWN, energy, strict=True)]
    rows = [("six chains" if i == 0 else "", chain) for i, chain in enumerate(decoded)]
    grid(rows, file, columns)
    return file, "Prior chains of 2,500 steps; above each column the step and the mean energy."
