"""Decoder and encoder of whole tracks, without a past as context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import positive, whole, widths
from lebm_core.base.networks import mlp

__all__ = ["TrackDecoder", "TrackEncoder"]


class TrackDecoder(Decoder):
    """p(x | z): a Gaussian about a track (B, steps, 2), its mean a multilayer perceptron.

    Args:
        latent_dim: d.
        steps: positions of a track.
        hidden: widths of the hidden layers.
        sigma: standard deviation of a coordinate; the initial one where it is learned.
        learn_sigma: learn one for each step.

    Raises:
        UsageError: for a sigma that is not positive, or widths that cannot be.
    """

    def __init__(
        self,
        latent_dim: int,
        steps: int,
        hidden: Sequence[int] = (256, 256),
        sigma: float = 0.25,
        learn_sigma: bool = True,
    ) -> None:
        super().__init__()
        positive("decoder.sigma", sigma)
        widths("decoder.hidden", hidden, 1)
        whole("decoder.steps", steps, 1, 1_000_000)
        self.latent_dim, self.steps = latent_dim, steps
        self.net = mlp([latent_dim, *hidden, 2 * steps])
        log_sigma = torch.full((steps, 1), float(sigma)).log()
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learn_sigma)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """Return p(x | z), batch shape (B,), event shape (steps, 2)."""
        mean = self.net(z).unflatten(1, (self.steps, 2))
        sigma = self.log_sigma.exp().expand_as(mean)
        return Independent(Normal(mean, sigma, validate_args=False), 2)


class TrackEncoder(Encoder):
    """q(z | x), a multilayer perceptron.

    Args:
        latent_dim: d.
        steps: positions of a track.
        hidden: widths of the hidden layers.
    """

    def __init__(self, latent_dim: int, steps: int, hidden: Sequence[int] = (256, 256)) -> None:
        super().__init__()
        widths("encoder.hidden", hidden, 1)
        whole("encoder.steps", steps, 1, 1_000_000)
        self.latent_dim = latent_dim
        self.net = mlp([2 * steps, *hidden, 2 * latent_dim])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        return gaussian_code(self.net(x.flatten(1)))
