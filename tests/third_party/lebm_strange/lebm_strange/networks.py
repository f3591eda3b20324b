"""Perceptrons of points in the plane; neither knows of a context."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.networks import mlp


class PlaneDecoder(Decoder):
    """p(x | z) = N(mean(z), std^2 I), std learned.

    Args:
        latent_dim: dimension d of z.
        features: dimension of x.
        width: of the hidden layer.
    """

    def __init__(self, latent_dim: int, features: int, width: int = 32) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.network = mlp([latent_dim, width, features], nn.GELU)
        self.log_std = nn.Parameter(torch.tensor(-1.0))

    def forward(self, z: Tensor) -> Distribution:
        std = self.log_std.exp() + 0.05
        return Independent(Normal(self.network(z), std, validate_args=False), 1)


class PlaneEncoder(Encoder):
    """q(z | x), a diagonal Gaussian.

    Args:
        latent_dim: dimension d of z.
        features: dimension of x.
        width: of the hidden layer.
    """

    def __init__(self, latent_dim: int, features: int, width: int = 32) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.network = mlp([features, width, 2 * latent_dim], nn.GELU)

    def forward(self, x: Tensor) -> Independent:
        return gaussian_code(self.network(x))
