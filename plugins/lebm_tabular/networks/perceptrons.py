"""Decoders and encoders of vectors x, (B, features)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.base.checks import choice, positive, widths
from lebm_core.base.networks import mlp
from lebm_core.errors import UsageError
from lebm_tabular.networks.likelihoods import LIKELIHOODS, columns

__all__ = ["ObservedDecoder", "ObservedEncoder", "TabularDecoder", "TabularEncoder"]


class TabularDecoder(Decoder):
    """p(x | z), a multilayer perceptron g(z) and a likelihood of each column; NaN is missing.

    gaussian: N(g(z), sigma^2). student: g(z) + sigma t, t of Student's distribution. bernoulli: 1
    with probability sigmoid(g(z)); values between 0 and 1 enter as cross entropy, which is then no
    density.

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers of g.
        sigma: scale of a column, in the units of x; the initial one where it is learned.
        likelihood: "gaussian", "student" or "bernoulli".
        learn_sigma: learn it, a number for each column, above `min_sigma`.
        min_sigma: lower bound of a learned sigma, since the density of a constant is unbounded.
        degrees: of freedom of Student's distribution, above 1 so that it has a mean.

    Raises:
        UsageError: for an unknown likelihood, a sigma that is not positive, too few degrees.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (200, 200),
        sigma: float = 0.3,
        likelihood: Literal["gaussian", "student", "bernoulli"] = "gaussian",
        learn_sigma: bool = False,
        min_sigma: float = 0.01,
        degrees: float = 4.0,
    ) -> None:
        super().__init__()
        choice("decoder.likelihood", likelihood, LIKELIHOODS)
        widths("decoder.hidden", hidden)
        positive("decoder.sigma", sigma)
        positive("decoder.degrees", degrees)
        if not degrees > 1:
            raise UsageError(f"decoder.degrees = {degrees} must be above 1.")
        if learn_sigma and not 0 < min_sigma < sigma:
            raise UsageError(f"decoder.min_sigma = {min_sigma} must be between 0 and {sigma}.")
        self.latent_dim, self.kind, self.degrees = latent_dim, likelihood, degrees
        self.fixed_sigma, self.min_sigma = sigma, min_sigma
        self.net = mlp([latent_dim, *hidden, features], nn.GELU)
        self.log_sigma: nn.Parameter | None = None
        if learn_sigma and likelihood != "bernoulli":
            self.log_sigma = nn.Parameter(torch.full((features,), math.log(sigma - min_sigma)))

    @property
    def sigma(self) -> Tensor | float:
        """The scale: a number, or (features,) where it is learned."""
        if self.log_sigma is None:
            return self.fixed_sigma
        return self.min_sigma + self.log_sigma.exp()

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Distribution]:
        return columns(self.kind, self.net(z), self.sigma, self.degrees)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(x | z), of the observed columns alone.

        Raises:
            UsageError: for values that a Bernoulli likelihood does not take.
        """
        if self.kind == "bernoulli" and bool(((x < 0) | (x > 1)).any()):
            value = float(x[(x < 0) | (x > 1)][0])
            raise UsageError(
                f'decoder.likelihood = "bernoulli" takes values from 0 to 1, and x has {value:g}: '
                "use data without scaling (data.scaling=none), or another likelihood."
            )
        return super().likelihood(x, context)


class TabularEncoder(Encoder):
    """q(z | x), a multilayer perceptron.

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers.
        missing: x has missing values, NaN: they are replaced by 0, and their mask is an input.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (200, 200),
        missing: bool = False,
    ) -> None:
        super().__init__()
        widths("encoder.hidden", hidden)
        self.latent_dim, self.missing = latent_dim, missing
        inputs = 2 * features if missing else features
        self.net = mlp([inputs, *hidden, 2 * latent_dim], nn.GELU)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """Return q(z | x), batch shape (B,).

        Raises:
            UsageError: for missing values where `missing` is False.
        """
        known = ~x.isnan()
        if self.missing:
            x = torch.cat([torch.where(known, x, 0.0), known.to(x.dtype)], dim=-1)
        elif not bool(known.all()):
            raise UsageError("x has missing values (NaN): make the encoder with missing=True.")
        return gaussian_code(self.net(x))


class ObservedDecoder(Decoder):
    """x = z: the prior alone is the model, and log p(x) is its log-density.

    Args:
        latent_dim: d, which must be the number of features.
        features: number of features of x.
    """

    observed = True
    WIDTH = 1e-4  # of a point mass: far below any scale of the data

    def __init__(self, latent_dim: int, features: int) -> None:
        super().__init__()
        if latent_dim != features:
            raise UsageError(
                f"prior.latent_dim = {latent_dim} must be {features}, the number of features, with "
                "the decoder tabular.observed."
            )
        self.latent_dim = latent_dim

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        return Independent(Normal(z, self.WIDTH, validate_args=False), 1)


class ObservedEncoder(Encoder):
    """z = x.

    Args:
        latent_dim: d, which must be the number of features.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        width = torch.full_like(x, ObservedDecoder.WIDTH)
        return Independent(Normal(x, width, validate_args=False), 1)
