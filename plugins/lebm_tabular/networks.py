"""Decoders and encoders of vectors x, (B, features)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.errors import UsageError

__all__ = ["ObservedDecoder", "ObservedEncoder", "TabularDecoder", "TabularEncoder"]


def perceptron(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Linear layers with GELU between them."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class TabularDecoder(Decoder):
    """p(x | z) = N(g(z), sigma^2 I).

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers of g.
        sigma: standard deviation, in the units of x.

    Raises:
        UsageError: for a sigma that is not positive.
    """

    def __init__(
        self, latent_dim: int, features: int, hidden: Sequence[int] = (200, 200), sigma: float = 0.3
    ) -> None:
        super().__init__()
        if not sigma > 0:
            raise UsageError(f"decoder.sigma must be positive, not {sigma}.")
        self.latent_dim, self.sigma = latent_dim, sigma
        self.net = perceptron(latent_dim, hidden, features)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        return Independent(Normal(self.net(z), self.sigma, validate_args=False), 1)


class TabularEncoder(Encoder):
    """q(z | x), a perceptron.

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers.
    """

    def __init__(self, latent_dim: int, features: int, hidden: Sequence[int] = (200, 200)) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = perceptron(features, hidden, 2 * latent_dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        return gaussian_code(self.net(x))


class ObservedDecoder(Decoder):
    """x is z: the prior alone is the model, and log p(x) is its log-density.

    Args:
        latent_dim: d, which must be the number of features.
        features: number of features of x.
    """

    observed = True
    WIDTH = 1e-4  # stands for a point mass: far below any scale of the data

    def __init__(self, latent_dim: int, features: int) -> None:
        super().__init__()
        if latent_dim != features:
            raise UsageError(
                f"With decoder tabular.observed prior.latent_dim must be {features}, the number "
                f"of features, not {latent_dim}."
            )
        self.latent_dim = latent_dim

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        return Independent(Normal(z, self.WIDTH, validate_args=False), 1)


class ObservedEncoder(Encoder):
    """z is x."""

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        width = torch.full_like(x, ObservedDecoder.WIDTH)
        return Independent(Normal(x, width, validate_args=False), 1)
