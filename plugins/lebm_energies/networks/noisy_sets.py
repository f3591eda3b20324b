"""Energy "noisy-set": a network over sets of points at levels of noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from lebm_core import Energy
from lebm_core.base.checks import whole
from lebm_energies.networks.convolution import check_shape
from lebm_energies.networks.levels import Levels

__all__ = ["NoisySet"]

HEAD = 128  # units between the pooled features and F


class NoisySet(Energy):
    """F_c(z, t) = P sqrt(p_t) E(z, t) + G_c(z, t) of z (P, c): points that see the whole set.

    As the energy "set" a network of each point is pooled by its mean. In each round every point
    then sees that mean, so that what it is drawn to depends on the set: the sides of a box on how
    wide the box is. P makes the pull on a point independent of how many there are, p_t is a
    learned precision of the level. For the priors "diffusion" and "coupled-diffusion".

    Args:
        latent_dim: numbers of one x.
        shape: (P, c) of one x, points and their coordinates; the data set gives it.
        width: units of the layers of each point.
        rounds: in which points see the mean of all.
        frequencies: sines and cosines of so many frequencies that are added to each coordinate,
            as in the energy "set"; 0 for none.
        least: standard deviation of the noise at level 0, where p_t starts.
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
        self.head = nn.Linear(width, HEAD)
        self.head_level = nn.Linear(levels, HEAD, bias=False)
        self.last = nn.Linear(HEAD, 1, bias=False)
        self.classes = nn.Linear(HEAD, outputs)

    def pooled(self, z: Tensor, context: Tensor) -> Tensor:
        """The mean of the features over points, (B, HEAD)."""
        points = z.view(len(z), -1, self.shape[1])
        turns = [math.pi * 2**k * points for k in range(self.frequencies)]
        waves = [wave(turn) for turn in turns for wave in (torch.sin, torch.cos)]
        h = silu(self.enter(torch.cat([points, *waves], -1)) + self.level(context)[:, None])
        h = silu(self.second(h))
        for each in self.rounds:
            h = each(h)
        return silu(self.head(silu(h).mean(1)) + self.head_level(context))

    def flat_features(self, z: Tensor) -> Tensor:
        """The features of each x without noise, (B, HEAD)."""
        return self.pooled(z, self.levels.indicator(z, None))

    def start_at_zero(self) -> None:
        for p in (self.last.weight, *self.classes.parameters()):
            nn.init.zeros_(p)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        given = self.levels.indicator(z, context)
        h, precision = self.pooled(z, given), self.levels.of(given)[1]
        pull = self.shape[0] * precision.sqrt() * self.last(h)
        logits: Tensor = pull + self.classes(h)
        return logits


class Round(nn.Module):
    """A residual layer of each point that sees the mean of all points."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.own, self.shared = nn.Linear(width, width), nn.Linear(width, width)
        self.leave = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        """h (B, P, width), changed."""
        changed: Tensor = h + self.leave(silu(self.own(h) + self.shared(h.mean(1))[:, None]))
        return changed
