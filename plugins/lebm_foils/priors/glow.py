"""Glow: a normalizing flow of images at several sizes, exact log p(x), draws without a chain.

Source: Kingma and Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", NeurIPS 2018,
arXiv 1807.03039.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Dataset, Prior
from lebm_core.base.checks import whole
from lebm_core.base.randomness import standard_normal
from lebm_core.errors import UsageError
from lebm_foils.networks.glow import Step, squeezed, unsqueezed

__all__ = ["GlowPrior"]

FIRST = 512  # examples that ActNorm begins at
NARROW = 3.0  # |log standard deviation| of what is split off is below this


class GlowPrior(Prior):
    """p(x) of a flow of images, normalised; as a tilt, f(x) = log p(x) - log N(x; 0, I).

    At each size 2 x 2 pixels become channels and `steps` steps follow; then half of the channels
    are split off, a Gaussian whose mean and spread the other half gives. The rule
    "prior.exact-likelihood" teaches it.

    Args:
        latent_dim: numbers of one x.
        shape: (C, H, W) of one x; the data set gives it.
        squeezes: how often sides are halved; 0: steps at the full size alone, 2 channels or more.
        steps: at each size.
        width: of the network of each coupling.

    Raises:
        UsageError: for x that are no images, or sides that cannot be halved so often.
    """

    normalised = True

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        squeezes: int = 2,
        steps: int = 4,
        width: int = 64,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or math.prod(shape) != latent_dim:
            raise UsageError(
                f"The prior glow takes images (C, H, W) of {latent_dim} numbers "
                f"(prior.latent_dim), and one x has the shape {tuple(shape)}."
            )
        whole("prior.squeezes", squeezes, 0, 20)
        whole("prior.steps", steps, 1, 1000)
        whole("prior.width", width, 1, 100_000)
        self.latent_dim = latent_dim
        channels, *sides = self.shape = tuple(whole("prior.shape", n, 1) for n in shape)
        if any(side % 2**squeezes for side in sides):
            raise UsageError(
                f"prior.squeezes = {squeezes} halves the sides {sides} so often, which leaves no "
                "whole number of pixels; use fewer."
            )
        if squeezes == 0 and channels < 2:
            raise UsageError(
                "prior.squeezes = 0 leaves an image of one channel, which nothing is coupled to; "
                "use 1 or more."
            )
        self.squeezes = squeezes
        sizes, splits = [], []
        for size in range(max(1, squeezes)):
            channels *= 4 if squeezes else 1
            sizes.append(nn.Sequential(*(Step(channels, width) for _ in range(steps))))
            if size < squeezes - 1:
                splits.append(_Split(channels))
                channels //= 2
        self.sizes, self.splits = nn.ModuleList(sizes), nn.ModuleList(splits)
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    zero: Tensor

    @property
    def reference(self) -> Independent[Normal]:
        zero = self.zero.expand(self.latent_dim)
        return Independent(Normal(zero, torch.ones_like(zero), validate_args=False), 1)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return standard_normal((n, self.latent_dim), self.zero, generator)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        u, volume = self.standardised(z)
        f: Tensor = self.reference.log_prob(u) + volume - self.reference.log_prob(z)
        return f

    def standardised(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """The flow u ~ N(0, I) of x, (B, d), and log |du/dx|, (B,)."""
        x, total, found = z.view(-1, *self.shape), z.new_zeros(len(z)), []
        for number, steps in enumerate(self.sizes):
            x = squeezed(x) if self.squeezes else x
            for step in steps:  # type: ignore[attr-defined]
                x, volume = step(x)
                total = total + volume
            if number < len(self.splits):
                x, u, volume = self.splits[number](x)
                found.append(u.flatten(1))
                total = total + volume
        return torch.cat([*found, x.flatten(1)], 1), total

    def generated(self, u: Tensor) -> Tensor:
        """x of the flow's u, (B, d): the inverse of `standardised`."""
        shapes, (channels, height, across) = [], self.shape
        for _ in self.splits:
            channels, height, across = 2 * channels, height // 2, across // 2
            shapes.append((channels, height, across))
        parts = list(u.split([*map(math.prod, shapes), self._rest(shapes)], 1))
        x = parts.pop().reshape(-1, *self._last())
        for number in reversed(range(len(self.sizes))):
            if number < len(self.splits):
                x = self.splits[number].inverse(x, parts[number].view(-1, *shapes[number]))  # type: ignore[operator]
            for step in reversed(self.sizes[number]):  # type: ignore[call-overload]
                x = step.inverse(x)
            x = unsqueezed(x) if self.squeezes else x
        flat: Tensor = x.flatten(1)
        return flat

    def _rest(self, shapes: Sequence[tuple[int, ...]]) -> int:
        return self.latent_dim - sum(map(math.prod, shapes))

    def _last(self) -> tuple[int, int, int]:
        """The shape of what remains after all splits."""
        channels, height, across = self.shape
        factor = 2**self.squeezes
        kept = channels * 4**self.squeezes // 2 ** len(self.splits)
        return kept, height // factor, across // factor

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        return self.generated(standard_normal((n, self.latent_dim), self.zero, generator))

    @torch.no_grad()
    def initialise(self, dataset: Dataset) -> None:
        """Begin every ActNorm at mean 0 and variance 1 of training examples."""
        batch = next(iter(dataset.batches("train", min(FIRST, dataset.length("train")))))
        x = batch.x.to(self.zero.device)
        for number, steps in enumerate(self.sizes):
            x = squeezed(x) if self.squeezes else x
            for step in steps:  # type: ignore[attr-defined]
                step.norm.initialise(x)
                x = step(x)[0]
            if number < len(self.splits):
                x = self.splits[number](x)[0]


class _Split(nn.Module):
    """Half of the channels leave the flow, as a Gaussian whose moments the other half gives.

    Args:
        channels: of both halves.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.moments = nn.Conv2d(half, 2 * half, 3, padding=1)
        for parameter in self.moments.parameters():
            nn.init.zeros_(parameter)

    def _moments(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = self.moments(kept).chunk(2, 1)
        return mean, NARROW * (raw / NARROW).tanh()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What stays, u ~ N(0, I) of what leaves, and log |det|, (B,)."""
        kept, left = x.chunk(2, 1)
        mean, log_std = self._moments(kept)
        return kept, (left - mean) * (-log_std).exp(), -log_std.flatten(1).sum(1)

    def inverse(self, kept: Tensor, u: Tensor) -> Tensor:
        """x of what stayed and of u."""
        mean, log_std = self._moments(kept)
        return torch.cat([kept, mean + log_std.exp() * u], 1)
