"""Grids of images for the report, every row or column labelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError, UnsupportedEstimate
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.ebm import EBMPrior
from lebm_images.figures.grids import grid

if TYPE_CHECKING:
    from lebm_images.data.dataset import ImageDataset

__all__ = ["pictures"]

LONG = 2500  # steps of the long chain
SHOWN = (0, 20, 60, 150, 400, 1000, 2500)


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


def _long_chain(model: LatentEBM, file: Path, generator: torch.Generator) -> tuple[Path, str]:
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
