"""Errors of energies at levels of noise beside the exact ones: of a run of `ebm-voxels`.

    python tests/benchmarks/level_errors.py RUN
    python tests/benchmarks/level_errors.py RUN --draws 150

Solids are drawn from a known generator, so the density with noise is, but for the number drawn,
that of a mixture of them with noise. Prints at some levels the mean squared error, a voxel, of the
mean of x given x with noise and its kind: the exact one, and the model's by Tweedie's formula.
`--draws` samples through the exact energy by the sampler of the run, and prints how far samples and
validation solids are told apart: what is lost to the sampler, and not to the network.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lebm_core import Energy
from lebm_core.run.artifacts import load_model
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_energies.data.furniture import CLASSES, furniture
from lebm_energies.data.solids import centres_of, voxels_of
from lebm_energies.metrics.neighbours import neighbour_values
from lebm_energies.metrics.voxels import distances, occupied

SEED = 999  # of the mixture, which no split is drawn with


class Mixture(Energy):
    """F_c(z, t) of solids of kind c with noise, each as likely: exact but for their number.

    Args:
        solids: (n, d) of them.
        kinds: (n,).
        kept: how much of x each level keeps, (T,).
        sigma: standard deviation of the noise at level 0.
    """

    def __init__(self, solids: Tensor, kinds: Tensor, kept: Tensor, sigma: float) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = solids.shape[1], len(CLASSES), len(kept)
        self.solids, self.kinds, self.kept, self.sigma = solids, kinds, kept, sigma

    def logits_of(self, z: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
        """log p(z | solid) but for a constant of z, (B, n), and the variance of the noise."""
        variance = 1 - kept.square() * (1 - self.sigma**2)
        norms = self.solids.square().sum(1)
        return (kept * (z @ self.solids.T) - kept.square() * norms / 2) / variance, variance

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        assert context is not None
        each, variance = self.logits_of(z, context.expand(len(z), -1) @ self.kept[:, None])
        of_kind = [each[:, self.kinds == c].logsumexp(1) for c in range(self.outputs)]
        common = (0.5 - 0.5 / variance) * z.square().sum(1, keepdim=True)
        return torch.stack(of_kind, 1) + common - self.latent_dim / 2 * variance.log()


def drawn(n: int, side: int) -> tuple[Tensor, Tensor]:
    """n solids (n, d) and their kinds."""
    rng, centres = np.random.default_rng(SEED), centres_of(side)
    kinds = np.arange(n) % len(CLASSES)
    solids = np.stack([voxels_of(furniture(CLASSES[k], rng), centres) for k in kinds])
    return torch.from_numpy(solids).flatten(1).float(), torch.from_numpy(kinds)


def errors(prior: Any, sigma: float, x: Tensor, y: Tensor, exact: Mixture) -> None:
    """Print the table of levels."""
    generator = torch.Generator().manual_seed(1)
    print("| level | noise | exact | model |\n|---|---|---|---|")
    for t in range(0, prior.n_levels, max(1, prior.n_levels // 12)):
        kept = prior.kept[t]
        each, variance = exact.logits_of(torch.zeros(1, x.shape[1]), kept)
        z = kept * x + variance.sqrt() * torch.randn(x.shape, generator=generator)
        each = exact.logits_of(z, kept)[0].masked_fill(exact.kinds != y[:, None], -math.inf)
        best = each.softmax(1) @ exact.solids
        z.requires_grad_()
        logits = prior.level_logits(torch.full((len(x),), t), z)
        (slope,) = torch.autograd.grad(logits.gather(1, y[:, None]).sum(), z)
        own = (variance * (slope - z) + z) / kept
        off = [float((each - x).square().mean()) for each in (best, own.detach())]
        print(f"| {t} | {float(variance.sqrt()):.3f} | {off[0]:.4f} | {off[1]:.4f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--solids", type=int, default=20_000, help="of the mixture")
    parser.add_argument("--examples", type=int, default=200, help="of the validation split")
    parser.add_argument("--draws", type=int, default=0, help="through the exact energy")
    given = parser.parse_args()
    torch.set_num_threads(1)
    recipe = load(given.run / "recipe.toml")
    data = cast(Any, build_dataset(recipe, None))
    prior = cast(Any, load_model(given.run)).eval().prior
    sigma = float(recipe.learning["prior"]["sigma"])
    valid = data.all("valid", given.examples)
    side = valid.x.shape[-1]
    levels = prior.kept[: prior.n_levels].clone()
    exact = Mixture(*drawn(given.solids, side), levels, sigma)
    errors(prior, sigma, valid.x.flatten(1), valid.y, exact)
    if given.draws:
        prior.tilts = nn.ModuleList([exact])
        kinds = torch.arange(given.draws) % len(CLASSES)
        generator = torch.Generator().manual_seed(7)
        samples = occupied(prior.sample(given.draws, y=kinds, generator=generator))
        real = occupied(data.all("valid", given.draws).x)
        pairs = [distances(*two) for two in ((samples, samples), (real, real), (samples, real))]
        apart = neighbour_values(*pairs, "valid", "1 - occupancy overlap", generator)
        print({name: round(value.value, 3) for name, value in apart.items()})


if __name__ == "__main__":
    main()
