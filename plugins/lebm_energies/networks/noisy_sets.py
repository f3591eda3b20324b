"""Energy "noisy-set": a network over sets of points at levels of noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lebm_core.base.checks import whole
from lebm_energies.networks.convolution import check_shape
from lebm_energies.networks.levels import LevelEnergy, Levels

__all__ = ["NoisySet"]

HEAD = 128  # units between the pooled features and F


class NoisySet(LevelEnergy):
    """F_c = |z|^2 / 2 - p_t |z - k_t R|^2 / 2 + P sqrt(p_t) E + k_t sqrt(P p_t) G_c, of P points z.

    As in the energy "set" a network of each point is pooled by its mean, of which E and G are
    functions. In each round every point then sees the mean and the maximum of all, so that what it
    is drawn to depends on the set: the sides of a box on how wide the box is, which a mean over few
    points does not tell closely. R is where each point comes from: with little noise z - R is how
    far it is off the surface, which E alone, a mean over points, hardly learns. As in the energy
    "reconstruction" k_t is the share of x in z_t, p_t the precision of its noise. For the priors
    "diffusion" and "coupled-diffusion".

    Args:
        latent_dim: numbers of one x.
        shape: (P, c) of one x, points and their coordinates; the data set gives it.
        width: units of the layers of each point.
        rounds: in which points see the mean and the maximum of all.
        frequencies: sines and cosines of so many frequencies that are added to each coordinate,
            as in the energy "set"; 0 for none.
        least: standard deviation of the noise at level 0.
        outputs: C of the logits.
        context_dim: levels of noise; the prior gives it, and without it there is level 0 alone.

    Raises:
        UsageError: for x that are no sets of points, or sizes that are not possible.
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        width: int = 128,
        rounds: int = 1,
        frequencies: int = 3,
        least: float = 0.03,
        outputs: int = 1,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        check_shape(shape, latent_dim, 2, "points (P, coordinates)", "noisy-set")
        whole("energy.width", width, 1)
        whole("energy.rounds", rounds, 0, 100)
        whole("energy.frequencies", frequencies, 0, 16)
        whole("energy.outputs", outputs, 1)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.shape, self.frequencies = tuple(shape), frequencies
        self.levels = Levels(context_dim, least)
        levels = self.levels.levels
        self.enter = nn.Linear(shape[1] * (1 + 2 * frequencies), width)
        self.level = nn.Linear(levels, width, bias=False)
        self.second = nn.Linear(width, width)
        self.rounds = nn.ModuleList(Round(width) for _ in range(rounds))
        self.leave = nn.Linear(width, shape[1])
        self.head = nn.Linear(width, HEAD)
        self.head_level = nn.Linear(levels, HEAD, bias=False)
        self.last = nn.Linear(HEAD, 1, bias=False)
        self.classes = nn.Linear(HEAD, outputs)

    def hidden(self, points: Tensor, context: Tensor) -> Tensor:
        """The features of each point (B, P, c) at its level, (B, P, width)."""
        turns = [math.pi * 2**k * points for k in range(self.frequencies)]
        waves = [wave(turn) for turn in turns for wave in (torch.sin, torch.cos)]
        h = silu(self.enter(torch.cat([points, *waves], -1)) + self.level(context)[:, None])
        h = silu(self.second(h))
        for each in self.rounds:
            h = each(h)
        return h

    def pooled(self, h: Tensor, context: Tensor) -> Tensor:
        """The features of each set, of those of its points, (B, HEAD)."""
        return silu(self.head(silu(h).mean(1)) + self.head_level(context))

    def flat_features(self, z: Tensor) -> Tensor:
        """The features of each x without noise, (B, HEAD)."""
        given = self.levels.indicator(z, None)
        return self.pooled(self.hidden(z.view(len(z), -1, self.shape[1]), given), given)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        given = self.levels.indicator(z, context)
        kept, precision = self.levels.of(given)
        points = z.view(len(z), -1, self.shape[1])
        each = self.hidden(points, given)
        h = self.pooled(each, given)
        # R = k_t z + what the network adds, in units of the noise: small where there is little.
        moved = kept * self.leave(each).flatten(1) / precision.sqrt()
        off = (1 - kept.square()) * z - moved
        pull = self.shape[0] * precision.sqrt() * self.last(h)
        logits: Tensor = pull + self.logits_of(
            z, off, self.classes(h), self.shape[0], (kept, precision)
        )
        return logits


class Round(nn.Module):
    """A residual layer of each point that sees the mean and the maximum of all points."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.shared = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.leave = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """h (B, P, width), changed."""
        seen = self.shared(torch.cat([h.mean(1), h.amax(1)], -1))
        changed: Tensor = h + self.leave(silu(self.own(h) + seen[:, None]))
        return changed
