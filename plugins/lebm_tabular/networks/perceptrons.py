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

__all__ = ["TabularDecoder", "TabularEncoder"]


class TabularDecoder(Decoder):
    """p(x | z), a multilayer perceptron g(z) and a likelihood of each column; NaN is missing.

    gaussian: N(g(z), sigma^2). student: g(z) + sigma t, t of Student's distribution. bernoulli: 1
    with probability sigmoid(g(z)); values between 0 and 1 enter as cross entropy, which is then no
    density. The last features can be one-hot groups, one for each column of categories: its log p
    is that of a softmax over the group, the mean of p(x | z) the probability of each category.

    Args:
        latent_dim: d.
        features: number of features of x.
        hidden: widths of the hidden layers of g.
        sigma: scale of a number, in the units of x; the initial one where it is learned.
        likelihood: "gaussian", "student" or "bernoulli", of each number.
        learn_sigma: learn it, one for each number, above `min_sigma`.
        min_sigma: lower bound of a learned sigma, since the density of a constant is unbounded.
        degrees: of freedom of Student's distribution, above 1 so that it has a mean.
        groups: widths of the one-hot groups that the last features of x are; None for none. The
            data set gives them.

    Raises:
        UsageError: for an unknown likelihood, a sigma that is not positive, too few degrees, or
            groups wider than x.
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
        groups: Sequence[int] | None = None,
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
        self.groups = _checked("decoder.groups", groups, features)
        self.net = mlp([latent_dim, *hidden, features], nn.GELU)
        self.log_sigma: nn.Parameter | None = None
        if learn_sigma and likelihood != "bernoulli":
            numbers = features - sum(self.groups)
            self.log_sigma = nn.Parameter(torch.full((numbers,), math.log(sigma - min_sigma)))

    @property
    def sigma(self) -> Tensor | float:
        """The scale: a number, or one for each number of x where it is learned."""
        if self.log_sigma is None:
            return self.fixed_sigma
        return self.min_sigma + self.log_sigma.exp()

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Distribution]:
        return columns(self.kind, self.net(z), self.sigma, self.degrees, self.groups)

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
        groups: widths of the one-hot groups that the last features of x are; None for none. The
            data set gives them.

    Raises:
        UsageError: for groups wider than x.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (200, 200),
        missing: bool = False,
        groups: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        widths("encoder.hidden", hidden)
        self.latent_dim, self.missing = latent_dim, missing
        self.groups = _checked("encoder.groups", groups, features)
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

    def embedded_scale(self, embedded: Tensor, x: Tensor) -> Tensor:
        """Return the square root of the number of known columns, (B, 1).

        A group counts as one column: two categories are sqrt(2) apart, as two rows are in a number
        of variance 1 (the root mean square). Counted by its features, a perturbation would grow
        with the number of categories until it turns one into another.
        """
        if not self.groups or embedded is not x:
            return super().embedded_scale(embedded, x)
        known = ~x.isnan()
        each = known.split([x.shape[-1] - sum(self.groups), *self.groups], dim=-1)
        numbers, *groups = (part.sum(-1, keepdim=True) for part in each)
        there: Tensor = sum(((part > 0).to(numbers.dtype) for part in groups), numbers)
        return there.sqrt()


def _checked(key: str, groups: Sequence[int] | None, features: int) -> tuple[int, ...]:
    """Check the widths of groups, and return them."""
    widths(key, groups or ())
    found = tuple(map(int, groups or ()))
    if sum(found) > features:
        raise UsageError(
            f"{key} = {str(list(found))[:80]} is wider than the {features} features of x."
        )
    return found
