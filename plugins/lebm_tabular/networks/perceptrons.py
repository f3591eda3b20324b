"""Decoders and encoders of vectors x, (B, features)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from lebm_core import Decoder, Encoder, gaussian_code
from lebm_core.errors import UsageError, did_you_mean
from lebm_tabular.networks.likelihoods import LIKELIHOODS, columns

__all__ = ["ObservedDecoder", "ObservedEncoder", "TabularDecoder", "TabularEncoder"]


def perceptron(
    inputs: int, hidden: Sequence[int], outputs: int, dropout: float = 0.0
) -> nn.Sequential:
    """Linear layers with GELU between them, and dropout after each GELU where it is above 0."""
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.GELU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class TabularDecoder(Decoder):
    """p(x | z), a perceptron g(z) and a likelihood of each column; NaN in x is a missing value.

    gaussian: N(g(z), sigma^2). student: g(z) + sigma t, t of Student's distribution. bernoulli: 1
    with probability sigmoid(g(z)); a value between 0 and 1 counts as that share of a 1 (cross
    entropy, then no density).

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers of g.
        sigma: scale of a column, in the units of x; where it is learned, what it starts at.
        likelihood: "gaussian", "student" or "bernoulli".
        learn_sigma: learn it, a number for each column, and never below `min_sigma`.
        min_sigma: least sigma that is learned: the density of a column without noise has no end.
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
        likelihood: str = "gaussian",
        learn_sigma: bool = False,
        min_sigma: float = 0.01,
        degrees: float = 4.0,
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise UsageError(
                f'Unknown decoder.likelihood "{likelihood}": accepted are {", ".join(LIKELIHOODS)}.'
                + did_you_mean(likelihood, LIKELIHOODS)
            )
        if not sigma > 0:
            raise UsageError(f"decoder.sigma must be positive, not {sigma}.")
        if not degrees > 1:
            raise UsageError(f"decoder.degrees must be above 1, not {degrees}.")
        if learn_sigma and not 0 < min_sigma < sigma:
            raise UsageError(f"decoder.min_sigma must be between 0 and {sigma}, not {min_sigma}.")
        self.latent_dim, self.kind, self.degrees = latent_dim, likelihood, degrees
        self.fixed_sigma, self.min_sigma = sigma, min_sigma
        self.net = perceptron(latent_dim, hidden, features)
        self.log_sigma: nn.Parameter | None = None
        if learn_sigma and likelihood != "bernoulli":
            self.log_sigma = nn.Parameter(torch.full((features,), math.log(sigma - min_sigma)))

    @property
    def sigma(self) -> Tensor | float:
        """A number, or (features,) where it is learned."""
        if self.log_sigma is None:
            return self.fixed_sigma
        return self.min_sigma + self.log_sigma.exp()

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Distribution]:
        return columns(self.kind, self.net(z), self.sigma, self.degrees)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """z -> log p(x | z), of the observed columns alone.

        Raises:
            UsageError: for values that a Bernoulli likelihood does not take.
        """
        if self.kind == "bernoulli" and bool(((x < 0) | (x > 1)).any()):
            value = float(x[(x < 0) | (x > 1)][0])
            raise UsageError(
                f'decoder.likelihood = "bernoulli" takes values from 0 to 1, and x has {value:g}: '
                "take data without scaling (data.scaling=none), or another likelihood."
            )
        return super().likelihood(x, context)


class TabularEncoder(Encoder):
    """q(z | x), a perceptron.

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers.
        missing: x has missing values, NaN: each is given as 0, and beside x which ones are there.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (200, 200),
        missing: bool = False,
    ) -> None:
        super().__init__()
        self.latent_dim, self.missing = latent_dim, missing
        self.net = perceptron(2 * features if missing else features, hidden, 2 * latent_dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        """q(z | x), batch shape (B,).

        Raises:
            UsageError: for missing values where the encoder was made without.
        """
        seen = ~x.isnan()
        if self.missing:
            x = torch.cat([torch.where(seen, x, 0.0), seen.to(x.dtype)], dim=-1)
        elif not bool(seen.all()):
            raise UsageError("x has missing values (NaN): make the encoder with missing=True.")
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
