"""Perceptrons that mix places and features of a sequence in turn: an encoder and a decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import positive, whole
from lebm_core.base.networks import mlp
from lebm_core.errors import UsageError

__all__ = ["MixerDecoder", "MixerEncoder"]


class MixerEncoder(Encoder):
    """q(z | x) of a sequence of relaxed tokens (T, V): embeddings, then layers of a mixer.

    A token of zeros and a one is embedded by its row of the first layer; what a chain has moved,
    by their mixture. Source of the layers: Tolstikhin et al., "MLP-Mixer", NeurIPS 2021, arXiv
    2105.01601.

    Args:
        latent_dim: d, a multiple of T: the features of each place of the code.
        shape: (T, V), places and tokens; the data set gives it.
        width: of an embedding.
        blocks: mixings of places and of features.

    Raises:
        UsageError: for sizes that do not fit each other.
    """

    def __init__(
        self, latent_dim: int, shape: Sequence[int], width: int = 32, blocks: int = 1
    ) -> None:
        super().__init__()
        places, tokens = _sizes("encoder", latent_dim, shape, width, blocks)
        self.latent_dim = latent_dim
        self.net = nn.Sequential(
            nn.Linear(tokens, width), *(Mixing(places, width) for _ in range(blocks)),
            nn.Linear(width, 2 * latent_dim // places),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Independent[Normal]:  # type: ignore[override]
        mean, log_std = self.net(x).chunk(2, dim=-1)
        return gaussian_code(torch.cat([mean.flatten(1), log_std.flatten(1)], dim=1))


class MixerDecoder(Decoder):
    """p(x | z) = N(g(z), sigma^2) of a sequence (T, V); g gives probabilities of the V tokens.

    The mean of zeros and a one is their probability. So x is real, and a chain can move it; the
    token is the largest of V.

    Args:
        latent_dim: d, a multiple of T.
        shape: (T, V), places and tokens; the data set gives it.
        width: of the features of a place.
        blocks: mixings of places and of features.
        sigma: standard deviation of each of the V numbers.

    Raises:
        UsageError: for sizes that do not fit each other.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        width: int = 32,
        blocks: int = 1,
        sigma: float = 0.1,
    ) -> None:
        super().__init__()
        places, tokens = _sizes("decoder", latent_dim, shape, width, blocks)
        positive("decoder.sigma", sigma)
        self.latent_dim, self.places, self.sigma = latent_dim, places, sigma
        self.net = nn.Sequential(
            nn.Linear(latent_dim // places, width), *(Mixing(places, width) for _ in range(blocks)),
            nn.Linear(width, tokens), nn.Softmax(-1),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Independent[Normal]:  # type: ignore[override]
        mean = self.net(z.view(len(z), self.places, -1))
        return Independent(Normal(mean, self.sigma, validate_args=False), 2)


class Mixing(nn.Module):
    """x (B, T, W) plus a perceptron over places, plus one over features.

    Args:
        places: T.
        width: W.
    """

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(2)])
        self.across = mlp([places, 4 * places, places], nn.SiLU)
        self.within = mlp([width, 2 * width, width], nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return torch.add(x, self.within(self.norms[1](x)))


def _sizes(
    part: str, latent_dim: int, shape: Sequence[int], width: int, blocks: int
) -> tuple[int, int]:
    """Places and tokens; UsageError for sizes that do not fit each other."""
    whole(f"{part}.width", width, 1, 100_000)
    whole(f"{part}.blocks", blocks, 0, 100)
    whole(f"{part}.latent_dim", latent_dim, 1, 1_000_000)
    sizes = [whole(f"{part}.shape", n, 1) for n in shape]
    if len(sizes) != 2 or latent_dim % sizes[0]:
        raise UsageError(
            f"The {part} mixer takes sequences (T, V) and a latent_dim that T divides; one x has "
            f"the shape {tuple(sizes)}, and {part}.latent_dim is {latent_dim}."
        )
    return sizes[0], sizes[1]
