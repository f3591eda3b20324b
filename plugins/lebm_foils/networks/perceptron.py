"""Perceptrons of real numbers of any shape: a generator and its encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import positive, whole, widths
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import normal_like

__all__ = ["PerceptronDecoder", "PerceptronEncoder"]

LEAST_SIGMA = 1e-3  # of a learned sigma: the density of what is matched exactly has no bound


class Noisy(Independent[Normal]):
    """Independent Gaussians of which the mean can be asked for, as images are shown."""

    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Draw x, or return the mean with noise=False."""
        shape = self._extended_shape(torch.Size(sample_shape))
        mean = self.mean.detach().expand(shape)
        return mean + self.stddev.detach() * normal_like(mean, generator) if noise else mean


class PerceptronDecoder(Decoder):
    """p(x | z) = N(g(z, context), sigma^2), g a perceptron; without hidden layers it is linear.

    Args:
        latent_dim: d.
        shape: of one x; the data set gives it.
        hidden: widths of the hidden layers; none for a linear map (factor analysis, PCA).
        sigma: standard deviation of each number of x, in its units.
        learn_sigma: learn it, one for all numbers.
        context_dim: features of a context that g sees beside z; 0 for none.

    Raises:
        UsageError: for sizes that are not positive.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        hidden: Sequence[int] = (200, 200),
        sigma: float = 0.3,
        learn_sigma: bool = False,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        widths("decoder.hidden", hidden)
        positive("decoder.sigma", sigma)
        whole("decoder.context_dim", context_dim, 0, 1_000_000)
        self.latent_dim, self.context_dim = latent_dim, context_dim
        self.shape = tuple(whole("decoder.shape", n, 1) for n in shape)
        features = math.prod(self.shape)
        self.net = mlp([latent_dim + context_dim, *hidden, features], nn.SiLU)
        log_sigma = torch.tensor(math.log(sigma))
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learn_sigma)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        seen = z if not self.context_dim or context is None else torch.cat([z, context], 1)
        mean = self.net(seen).view(-1, *self.shape)
        sigma = self.log_sigma.exp().clamp(min=LEAST_SIGMA)
        return Noisy(Normal(mean, sigma, validate_args=False), len(self.shape))


class PerceptronEncoder(Encoder):
    """q(z | x), a perceptron of x and its context; without hidden layers it is linear.

    Args:
        latent_dim: d.
        shape: of one x; the data set gives it.
        hidden: widths of the hidden layers; none for a linear map.
        context_dim: features of a context that it sees beside x; 0 for none.

    Raises:
        UsageError: for sizes that are not positive.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        hidden: Sequence[int] = (200, 200),
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        widths("encoder.hidden", hidden)
        whole("encoder.context_dim", context_dim, 0, 1_000_000)
        self.latent_dim, self.context_dim = latent_dim, context_dim
        features = math.prod(whole("encoder.shape", n, 1) for n in shape)
        self.net = mlp([features + context_dim, *hidden, 2 * latent_dim], nn.SiLU)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        seen = x.flatten(1)
        if self.context_dim and context is not None:
            seen = torch.cat([seen, context], 1)
        return gaussian_code(self.net(seen))
