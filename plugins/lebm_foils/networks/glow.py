"""Steps of Glow: ActNorm, an invertible 1 x 1 convolution, and an affine coupling.

Sources: Kingma and Dhariwal, "Glow", NeurIPS 2018, arXiv 1807.03039; Dinh et al., "Density
estimation using Real NVP", ICLR 2017, arXiv 1605.08803 (coupling, squeeze).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle, pixel_unshuffle

__all__ = ["ActNorm", "Coupling", "Mixing", "Step", "squeezed", "unsqueezed"]

LEAST_STD = 1e-2  # of a channel that the data hardly vary
GAIN = 2.0  # |log scale| of a coupling is below this: unbounded scales overflow

Moved = tuple[Tensor, Tensor]  # (B, C, H, W), and log |det| of each example, (B,)


def squeezed(x: Tensor) -> Tensor:
    """Squares of 2 x 2 pixels as channels, (B, C, H, W) -> (B, 4C, H/2, W/2)."""
    return pixel_unshuffle(x, 2)


def unsqueezed(x: Tensor) -> Tensor:
    """The inverse of `squeezed`."""
    return pixel_shuffle(x, 2)


class ActNorm(nn.Module):
    """A scale and a shift of each channel, which begin at mean 0 and variance 1 of some data."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(channels, 1, 1))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Normalise the channels of x (B, C, H, W)."""
        std = x.std((0, 2, 3), keepdim=True)[0].clamp(min=LEAST_STD)
        self.log_scale.copy_(-std.log())
        self.shift.copy_(-x.mean((0, 2, 3), keepdim=True)[0] / std)

    def forward(self, x: Tensor) -> Moved:
        volume = self.log_scale.sum() * x.shape[2] * x.shape[3]
        return x * self.log_scale.exp() + self.shift, volume.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """x of y."""
        return (y - self.shift) * (-self.log_scale).exp()


class Mixing(nn.Module):
    """An invertible 1 x 1 convolution W = P L U, a random rotation at first.

    P stays; the diagonal of U keeps its signs, so that W is invertible whatever is learned.
    """

    permutation: Tensor
    signs: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        diagonal = upper.diagonal()
        self.register_buffer("permutation", permutation)
        self.register_buffer("signs", diagonal.sign())
        self.lower, self.upper = nn.Parameter(lower.tril(-1)), nn.Parameter(upper.triu(1))
        self.log_diagonal = nn.Parameter(diagonal.abs().log())

    def weight(self) -> Tensor:
        """W, (C, C)."""
        one = torch.eye(len(self.signs), device=self.signs.device, dtype=self.signs.dtype)
        upper = self.upper.triu(1) + torch.diag(self.signs * self.log_diagonal.exp())
        return self.permutation @ (self.lower.tril(-1) + one) @ upper

    def forward(self, x: Tensor) -> Moved:
        volume = self.log_diagonal.sum() * x.shape[2] * x.shape[3]
        return conv2d(x, self.weight()[:, :, None, None]), volume.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """x of y."""
        return conv2d(y, torch.linalg.inv(self.weight())[:, :, None, None])


class Coupling(nn.Module):
    """Scales and shifts half of the channels as a network of the other half says.

    The logarithm of the scale is at most `GAIN` either way, and 0 at first.

    Args:
        channels: of x, 2 or more.
        width: of the network.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.kept = channels // 2
        self.net = nn.Sequential(
            nn.Conv2d(self.kept, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 1),
            nn.ReLU(), nn.Conv2d(width, 2 * (channels - self.kept), 3, padding=1),
        )  # fmt: skip
        for last in self.net[-1].parameters():
            nn.init.zeros_(last)

    def _moves(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        shift, raw = self.net(kept).chunk(2, 1)
        return shift, GAIN * (raw / GAIN).tanh()

    def forward(self, x: Tensor) -> Moved:
        kept, other = x[:, : self.kept], x[:, self.kept :]
        shift, log_scale = self._moves(kept)
        moved = (other + shift) * log_scale.exp()
        return torch.cat([kept, moved], 1), log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """x of y."""
        kept, other = y[:, : self.kept], y[:, self.kept :]
        shift, log_scale = self._moves(kept)
        return torch.cat([kept, other * (-log_scale).exp() - shift], 1)


class Step(nn.Module):
    """ActNorm, mixing of the channels, coupling.

    Args:
        channels: of x, 2 or more.
        width: of the coupling's network.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.norm = ActNorm(channels)
        self.parts = nn.ModuleList([self.norm, Mixing(channels), Coupling(channels, width)])

    def forward(self, x: Tensor) -> Moved:
        total = x.new_zeros(len(x))
        for part in self.parts:
            x, volume = part(x)
            total = total + volume
        return x, total

    def inverse(self, y: Tensor) -> Tensor:
        """x of y."""
        for part in reversed(self.parts):
            y = part.inverse(y)  # type: ignore[operator]
        return y
