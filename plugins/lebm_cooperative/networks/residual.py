"""Residual convolutions of images: an encoder and a decoder whose code keeps its place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import choice, positive, whole
from lebm_core.errors import UsageError

__all__ = ["ResidualDecoder", "ResidualEncoder"]

OUTPUTS = ("tanh", "linear")


class ResidualEncoder(Encoder):
    """q(z | x) of an image, its code a map of channels: residual blocks, as in CycleGAN.

    Source: Zhu et al., "Unpaired image-to-image translation using cycle-consistent adversarial
    networks", ICCV 2017, arXiv 1703.10593 (the generator); without its normalisation, which would
    lose how bright an image is.

    Args:
        latent_dim: d, the channels of the code times its places.
        shape: (C, H, W) of one image; the data set gives it.
        width: channels within.
        blocks: residual blocks of two convolutions.
        stride: pixels of a place of the code, 1 or 2.

    Raises:
        UsageError: for sizes that do not fit each other.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        width: int = 32,
        blocks: int = 2,
        stride: int = 1,
    ) -> None:
        super().__init__()
        places = _places("encoder", latent_dim, shape, width, blocks, stride)
        self.latent_dim, channels = latent_dim, latent_dim // places
        layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, stride, 1)]
        layers += [Block(width) for _ in range(blocks)]
        self.net = nn.Sequential(*layers, nn.SiLU(), nn.Conv2d(width, 2 * channels, 1))

    def forward(self, x: Tensor) -> Independent[Normal]:  # type: ignore[override]
        return gaussian_code(self.net(x).flatten(1))


class ResidualDecoder(Decoder):
    """p(x | z) = N(g(z), sigma^2) of an image; g undoes what `ResidualEncoder` does.

    Args:
        latent_dim: d, the channels of the code times its places.
        shape: (C, H, W) of one image; the data set gives it.
        width: channels within.
        blocks: residual blocks of two convolutions.
        stride: pixels of a place of the code, 1 or 2.
        output: tanh for images in [-1, 1], or linear.
        sigma: standard deviation of a pixel.

    Raises:
        UsageError: for sizes that do not fit each other.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        width: int = 32,
        blocks: int = 2,
        stride: int = 1,
        output: str = "tanh",
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        places = _places("decoder", latent_dim, shape, width, blocks, stride)
        choice("decoder.output", output, OUTPUTS)
        positive("decoder.sigma", sigma)
        self.latent_dim, self.sigma = latent_dim, sigma
        self.code = (latent_dim // places, shape[1] // stride, shape[2] // stride)
        layers: list[nn.Module] = [nn.Conv2d(self.code[0], width, 3, 1, 1)]
        layers += [Block(width) for _ in range(blocks)]
        if stride > 1:
            layers += [nn.SiLU(), nn.Conv2d(width, width * stride**2, 1), nn.PixelShuffle(stride)]
        layers += [nn.SiLU(), nn.Conv2d(width, shape[0], 3, 1, 1)]
        self.net = nn.Sequential(*layers, *([nn.Tanh()] if output == "tanh" else []))

    def forward(self, z: Tensor) -> Independent[Normal]:  # type: ignore[override]
        mean = self.net(z.view(-1, *self.code))
        return Independent(Normal(mean, self.sigma, validate_args=False), 3)


class Block(nn.Module):
    """x + two convolutions of SiLU(x), (B, width, H, W); 0 at first, so that depth costs nothing.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        last = nn.Conv2d(width, width, 3, 1, 1)
        nn.init.zeros_(last.weight)
        self.net = nn.Sequential(
            nn.SiLU(), nn.Conv2d(width, width, 3, 1, 1), nn.SiLU(), last
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.net(x))


def _places(
    part: str, latent_dim: int, shape: Sequence[int], width: int, blocks: int, stride: int
) -> int:
    """Places of the code of an image; UsageError for sizes that do not fit each other."""
    whole(f"{part}.width", width, 1, 4096)
    whole(f"{part}.blocks", blocks, 0, 100)
    whole(f"{part}.stride", stride, 1, 2)
    whole(f"{part}.latent_dim", latent_dim, 1, 1_000_000)
    sizes = [whole(f"{part}.shape", n, 1) for n in shape]
    if len(sizes) != 3 or sizes[1] % stride or sizes[2] % stride:
        raise UsageError(
            f"The {part} residual takes images (C, H, W) with sides that {part}.stride = {stride} "
            f"divides, and one x has the shape {tuple(sizes)}."
        )
    places = sizes[1] * sizes[2] // stride**2
    if latent_dim % places:
        raise UsageError(
            f"{part}.latent_dim = {latent_dim} must be a multiple of {places}, the places of the "
            "code."
        )
    return places
