"""A generator of stationary pictures: z is a small map, and every layer a convolution of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_cooperative.networks.growing import GaussianNoise
from lebm_core import Decoder
from lebm_core.base.checks import WIDEST, fits, positive, whole, widths
from lebm_core.base.randomness import standard_normal
from lebm_core.errors import UsageError

__all__ = ["MapDecoder", "MapPicture", "map_side"]

SLOPE = 0.2  # of LeakyReLU
LEAST_SIGMA = 1e-3


class MapPicture(GaussianNoise):
    """p(x | z) of a picture (B, C, H, W), which `sample` can make larger.

    Args:
        decoder: makes pictures of maps.
        mean: (B, C, H, W).
        z: (B, d) the map.
    """

    def __init__(self, decoder: MapDecoder, mean: Tensor, z: Tensor) -> None:
        super().__init__(mean, decoder.sigma())
        self.decoder, self.z = decoder, z

    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
        side: int = 0,
    ) -> Tensor:
        """Draw a picture, or return its mean with noise=False.

        Args:
            sample_shape: not used.
            generator: source of all randomness.
            noise: add the noise of x given z.
            side: pixels of the picture's side, 0 for that of the data. Of a larger one z is the
                upper left corner of the map, and the rest a draw of N(0, I), whatever the prior.
        """
        whole("side", side, 0, WIDEST)
        if not side:
            return self.drawn(self.mean, generator, noise)
        known = self.decoder.map_of(self.z)
        larger = max(map_side(side, self.decoder.doublings), known.shape[2])
        shape = (len(known), known.shape[1], larger, larger)
        widest = max(self.decoder.widths)
        fits(float(len(known)) * widest * (side + 8) ** 2, f"side = {side:,}")
        grown = standard_normal(shape, known, generator)
        grown[:, :, : known.shape[2], : known.shape[3]] = known
        mean = self.decoder.picture_of(grown)[:, :, :side, :side]
        return self.drawn(mean, generator, noise)


class MapDecoder(Decoder):
    """p(x | z): z as a map (k, m, m), doubled by transposed convolutions, none of them padded.

    Without padding no pixel knows where it is but to the fraction of a place of the map: the
    picture is a piece of one that has no end, and `sample(side=...)` draws larger pieces.

    Args:
        latent_dim: d = k m m; m follows from `side` and the layers.
        channels: of the picture.
        side: of the picture, in pixels.
        widths: channels of the layers, each of which doubles the side.
        sigma: standard deviation of a pixel in [-1, 1].
        learn_sigma: learn it, one number for all pixels.

    Raises:
        UsageError: for a latent_dim that makes no such map.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        widths: Sequence[int] = (64, 32, 16),
        sigma: float = 0.3,
        learn_sigma: bool = False,
    ) -> None:
        super().__init__()
        check_widths(widths)
        positive("decoder.sigma", sigma)
        whole("decoder.channels", channels, 1, 10_000)
        whole("decoder.side", side, 1, WIDEST)
        self.latent_dim, self.side, self.widths = latent_dim, side, tuple(widths)
        self.doublings = len(self.widths)
        self.places = map_side(side, self.doublings)
        each = self.places**2
        if latent_dim < each or latent_dim % each:
            raise UsageError(
                f"prior.latent_dim = {latent_dim} is no multiple of {each}, the places of the map "
                f"of {self.places} x {self.places} for pictures of side {side} (decoder.widths); "
                f"use {each * max(1, round(latent_dim / each))}."
            )
        self.depth = before = latent_dim // each
        modules: list[nn.Module] = []
        for width in self.widths:
            modules += [nn.ConvTranspose2d(before, width, 4, 2, 2), nn.LeakyReLU(SLOPE)]
            before = width
        self.net = nn.Sequential(*modules, nn.Conv2d(before, channels, 3), nn.Tanh())
        for module in self.net:
            if isinstance(module, (nn.ConvTranspose2d, nn.Conv2d)):
                nn.init.xavier_normal_(module.weight)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)), requires_grad=learn_sigma)

    def sigma(self) -> Tensor:
        """The standard deviation of a pixel."""
        return self.log_sigma.exp().clamp(min=LEAST_SIGMA)

    def map_of(self, z: Tensor) -> Tensor:
        """z (B, d) as a map (B, k, m, m)."""
        return z.view(-1, self.depth, self.places, self.places)

    def picture_of(self, z: Tensor) -> Tensor:
        """The picture of a map (B, k, M, M) of any size, as large as it is, (B, C, H, W)."""
        picture: Tensor = self.net(z)
        return picture

    def forward(self, z: Tensor, context: Tensor | None = None) -> MapPicture:
        mean = self.picture_of(self.map_of(z))[:, :, : self.side, : self.side]
        return MapPicture(self, mean, z)


def check_widths(given: Sequence[int]) -> None:
    """Refuse widths of layers that cannot be."""
    widths("decoder.widths", given, 1)
    if len(given) > 10:
        raise UsageError(f"decoder.widths has {len(given)} layers; use at most 10.")


def map_side(side: int, doublings: int) -> int:
    """The least side of a map from which a picture of `side` is made.

    A layer makes 2 m - 2 of m, since only pixels that have both their neighbours are kept; the
    last one takes 2.

    >>> map_side(32, 3)  # 6, 10, 18, 34, 32
    6
    """
    m = side + 2
    for _ in range(doublings):
        m = (m + 3) // 2
    return m
