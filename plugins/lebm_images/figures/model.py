"""Grids of a trained model for the report, every row or column labelled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError, UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.protocols import Tilted
from lebm_images.data.dataset import ImageDataset
from lebm_images.figures.grids import grid

__all__ = ["pictures"]

ROWS, COLUMNS = 8, 8  # of samples
STEPS = 2500  # of the long chain
SHOWN = (0, 20, 60, 150, 400, 1000, 2500)


@torch.no_grad()
def pictures(evaluation: Evaluation) -> Iterator[tuple[Path, str]]:
    """Draw samples, reconstructions, an interpolation, completions and a long prior chain."""
    data = evaluation.need(ImageDataset, "images.model")
    model, generator = evaluation.model, evaluation.generator
    folder = evaluation.folder / "figures"
    x = model.sample(ROWS * COLUMNS, generator=generator, noise=False).cpu()
    lines = [("samples" if i == 0 else "", part) for i, part in enumerate(x.split(COLUMNS))]
    yield grid(lines, folder / "samples.png"), "Samples of the model: the mean of p(x|z)."
    split = next((s for s in ("test", "valid", "train") if data.length(s) >= 10), "")
    if not split:
        return
    real = data.batch(split, torch.arange(10)).x.to(model.device)
    if model.latent_dim and not model.observed:
        yield from _by_codes(model, real, split, folder, generator)
    try:
        yield _completion(model, real, folder / "completion.png", generator)
    except (UnsupportedEstimate, DivergenceError, UsageError):
        pass  # no density, one too narrow for the chain's step, or pixels that hang together
    prior, sampler = model.prior, model.prior.sampler
    if isinstance(prior, Tilted) and sampler is not None and "steps" in sampler.options:
        if not model.prior.context_dim:
            longer = sampler.replaced(steps=STEPS)
            yield _long_chain(model, prior, longer, folder / "chain.png", generator)


def _by_codes(
    model: LatentEBM, real: Tensor, split: str, folder: Path, generator: torch.Generator
) -> Iterator[tuple[Path, str]]:
    back = model.reconstruct(real, generator=generator)
    lines = [(split, real.cpu()), ("reconstructed", back.cpu())]
    yield grid(lines, folder / "reconstructions.png"), f"Images of {split}, reconstructed."
    line = model.interpolate(real[:1], real[1:2], 10, generator=generator).cpu()
    yield (
        grid([("interpolation", line)], folder / "interpolation.png"),
        "On the line between the codes of two images.",
    )


def _completion(
    model: LatentEBM, real: Tensor, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    mask = torch.zeros_like(real, dtype=torch.bool)
    mask[:, :, : real.shape[2] // 2] = True
    completed = model.complete(real, mask, generator=generator).cpu()
    given = torch.where(mask, real, torch.zeros_like(real)).cpu()
    grid([("given", given), ("completed", completed), ("original", real.cpu())], file)
    return file, "Lower halves drawn given the upper ones."


def _long_chain(
    model: LatentEBM, prior: Tilted, sampler: Sampler, file: Path, generator: torch.Generator
) -> tuple[Path, str]:
    trace = Chain(keep=SHOWN)
    prior.sample(6, generator=generator, sampler=sampler, trace=trace)
    states = [trace.states[s].to(model.device) for s in SHOWN]
    decoded = torch.stack([model.decode_mode(z).cpu() for z in states], 1)
    energy = torch.stack([model.prior.energy(z).mean() for z in states]).tolist()
    columns = [f"{s}\n{e:.1f}" for s, e in zip(SHOWN, energy, strict=True)]
    rows = [("six chains" if i == 0 else "", chain) for i, chain in enumerate(decoded)]
    grid(rows, file, columns)
    return file, "Prior chains of 2,500 steps; over each column the step and the mean energy."
