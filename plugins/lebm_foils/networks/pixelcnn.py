"""A PixelCNN: the probability of each pixel given those before it, exact and of grey levels.

Source: van den Oord et al., "Conditional image generation with PixelCNN decoders", NeurIPS 2016,
arXiv 1606.05328 (gated, two stacks, conditioned on z).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, pad

from lebm_core import Decoder
from lebm_core.base.checks import share, whole
from lebm_core.errors import UsageError
from lebm_foils.networks.pixels import PixelDistribution, level_of, value_of

__all__ = ["PixelCNN"]


class PixelCNN(Decoder):
    """p(x | z) of images whose pixels are one of some levels in [-1, 1], pixel by pixel.

    A pixel sees the rows above it, and what is left of it in its own row, as far as the layers
    reach: half a kernel each. Channels stand side by side, and each sees those before it. With
    prior.latent_dim = 0 it is the plain model without z, and log p(x) is exact.

    Args:
        latent_dim: d; 0 for the plain model.
        shape: (C, H, W) of one x; the data set gives it.
        levels: how many values a pixel has, at equal distances from -1 to 1. Pixels between two are
            taken for the nearer.
        width: channels of every layer.
        layers: gated blocks.
        kernel: pixels of the side of a convolution; odd.
        dropout: share of a block's channels that training drops.

    Raises:
        UsageError: for x that are no images, or sizes that are not possible.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        levels: int = 256,
        width: int = 32,
        layers: int = 4,
        kernel: int = 5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if len(shape) != 3:
            raise UsageError(
                f"The decoder pixelcnn takes images (C, H, W), and one x has the shape "
                f"{tuple(shape)}."
            )
        self.latent_dim = whole("decoder.latent_dim", latent_dim, 0, 1_000_000)
        self.shape = tuple(whole("decoder.shape", n, 1, 10_000) for n in shape)
        self.levels = whole("decoder.levels", levels, 2, 65_536)
        whole("decoder.width", width, 1, 100_000)
        whole("decoder.layers", layers, 1, 1_000)
        if whole("decoder.kernel", kernel, 1, 101) % 2 == 0:
            raise UsageError(f"decoder.kernel = {kernel} has no middle; use an odd number.")
        share("decoder.dropout", dropout)
        channels, height, across = self.shape
        # Besides the pixel, which channel it is of: they stand side by side, see `_planes`.
        self.above = _Above(1 + channels, width, kernel)
        self.left = _Left(1 + channels, width, kernel)
        self.place = nn.Parameter(torch.zeros(width, height, across * channels))
        self.blocks = nn.ModuleList(
            _Block(width, kernel, latent_dim, dropout) for _ in range(layers)
        )
        self.out = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, levels, 1)
        )

    def forward(self, z: Tensor, context: Tensor | None = None) -> PixelDistribution:
        return PixelDistribution(self, z)

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Log-probabilities of the levels up to a constant, (B, C, H, W, levels).

        Args:
            x: (B, C, H, W), or its first rows; a pixel's logits depend on none but those before it.
            z: (B, d).
        """
        channels, height, across = self.shape[0], x.shape[2], self.shape[2]
        planes = self._planes(value_of(level_of(x, self.levels), self.levels))
        up = _down(self.above(planes))
        left = _right(self.left(planes)) + up + self.place[:, :height]
        for block in self.blocks:
            up, left = block(up, left, z)
        flat: Tensor = self.out(left).permute(0, 2, 3, 1)
        apart = flat.reshape(len(x), height, across, channels, self.levels)
        return apart.permute(0, 3, 1, 2, 4)

    def _planes(self, x: Tensor) -> Tensor:
        """The channels of a pixel side by side, (B, 1 + C, H, W C): its value, and which it is."""
        channels, height, across = x.shape[1:]
        row = x.permute(0, 2, 3, 1).reshape(len(x), 1, height, across * channels)
        which = torch.eye(channels, device=x.device, dtype=x.dtype).repeat(1, across)
        return torch.cat([row, which[None, :, None].expand(len(x), -1, height, -1)], 1)


class _Above(nn.Conv2d):
    """A convolution over the rows up to a pixel's own, its own whole."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        self.reach = kernel // 2
        super().__init__(before, after, (self.reach + 1, kernel))

    def forward(self, h: Tensor) -> Tensor:
        return super().forward(pad(h, (self.reach, self.reach, self.reach, 0)))


class _Left(nn.Conv2d):
    """A convolution over a pixel and what is left of it in its row."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        self.reach = kernel // 2
        super().__init__(before, after, (1, self.reach + 1))

    def forward(self, h: Tensor) -> Tensor:
        return super().forward(pad(h, (self.reach, 0, 0, 0)))


class _Block(nn.Module):
    """A gated block of two stacks: the rows above, which have no blind spot, and the own row."""

    def __init__(self, width: int, kernel: int, latent_dim: int, share: float) -> None:
        super().__init__()
        self.above, self.left = _Above(width, 2 * width, kernel), _Left(width, 2 * width, kernel)
        self.link, self.out = nn.Conv2d(2 * width, 2 * width, 1), nn.Conv2d(width, width, 1)
        self.code = nn.Linear(latent_dim, 4 * width, bias=False) if latent_dim else None
        self.share = share

    def forward(self, up: Tensor, left: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks one block on, (B, width, H, W) each."""
        above = self.above(up)
        row = self.left(left) + self.link(above)
        if self.code is not None:
            one, two = self.code(z)[:, :, None, None].chunk(2, 1)
            above, row = above + one, row + two
        gated = dropout(_gate(row), self.share, self.training)
        return up + _gate(above), left + self.out(gated)


def _gate(h: Tensor) -> Tensor:
    value, gate = h.chunk(2, 1)
    return value.tanh() * gate.sigmoid()


def _down(h: Tensor) -> Tensor:
    """One row down: what a row sees is then of those above it."""
    return pad(h, (0, 0, 1, 0))[:, :, :-1]


def _right(h: Tensor) -> Tensor:
    """One pixel to the right: what a pixel sees is then of those left of it."""
    return pad(h, (1, 0, 0, 0))[:, :, :, :-1]
