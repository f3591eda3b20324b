"""Visible units of a restricted Boltzmann machine: p0, and what a field makes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution, Independent, Normal
from torch.nn.functional import softplus

from lebm_core.base.randomness import standard_normal, uniform
from lebm_core.errors import UsageError

__all__ = ["BinaryUnits", "GaussianUnits", "Units"]


class Units(nn.Module, ABC):
    """p0(v), independent units, and its tilts p0(v) exp(r u(v) + share own(v)) by a field r.

    Attributes:
        discrete: whether v is in {0, 1}.
    """

    discrete: bool

    @property
    @abstractmethod
    def reference(self) -> Distribution:
        """p0, with event shape (d,)."""

    @abstractmethod
    def standard(self, v: Tensor) -> Tensor:
        """u(v), (B, d): v in the units in which weights meet it."""

    @abstractmethod
    def own(self, u: Tensor) -> Tensor:
        """What the units themselves add to f, (B,)."""

    @abstractmethod
    def log_mean(self, field: Tensor, share: float = 1.0) -> Tensor:
        """log E exp(field u + share own(u)) under p0, (B,), for a field (B, d)."""

    @abstractmethod
    def draw(self, field: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
        """Draws v (B, d) of p0 tilted by a field (B, d)."""

    @abstractmethod
    def initialise(self, v: Tensor) -> None:
        """Fit p0 to examples (N, d)."""

    def clear(self) -> None:
        """Make `own` 0."""


class BinaryUnits(Units):
    """v in {0, 1}; p0 has the data's share of ones in each unit, one half before it is fitted.

    Args:
        d: units.
    """

    discrete = True

    def __init__(self, d: int) -> None:
        super().__init__()
        self.register_buffer("base", torch.zeros(d))

    base: Tensor  # log p / (1 - p)

    @property
    def reference(self) -> Distribution:
        return Independent(Bernoulli(logits=self.base, validate_args=False), 1)

    def standard(self, v: Tensor) -> Tensor:
        return v

    def own(self, u: Tensor) -> Tensor:
        return u.new_zeros(len(u))

    def log_mean(self, field: Tensor, share: float = 1.0) -> Tensor:
        return (softplus(self.base + field) - softplus(self.base)).sum(-1)

    def draw(self, field: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
        p = torch.sigmoid(self.base + field)
        return (uniform(p.shape, p, generator) < p).to(p.dtype)

    def initialise(self, v: Tensor) -> None:
        """Fit p0 to examples (N, d).

        Raises:
            UsageError: for examples that are not binary.
        """
        if not bool(((v == 0) | (v == 1) | v.isnan()).all()):
            raise UsageError(
                'prior.visible = "binary" needs data of zeros and ones, and these have other '
                'numbers; use "gaussian".'
            )
        known = (~v.isnan()).sum(0)
        p = (v.double().nansum(0) + 1) / (known + 2)  # a unit that is always on may yet be off
        self.base.copy_((p / (1 - p)).log())


class GaussianUnits(Units):
    """v real; p0 has the data's mean in each unit and the standard deviation `sigma`.

    With `learned` the width of v given h is learned unit by unit: own(u) = -(e^t - 1) u^2 / 2 for
    u = (v - mean) / sigma, so that v given h has the variance sigma^2 e^-t.

    Args:
        d: units.
        sigma: standard deviation of p0, and of v given h where it is not learned.
        learned: whether the width of v given h is.
    """

    discrete = False

    def __init__(self, d: int, sigma: float, learned: bool) -> None:
        super().__init__()
        self.sigma, self.learned = sigma, learned
        self.register_buffer("mean", torch.zeros(d))
        if learned:
            self.log_precision = nn.Parameter(torch.zeros(d))

    mean: Tensor

    @property
    def reference(self) -> Distribution:
        return Independent(Normal(self.mean, self.sigma, validate_args=False), 1)

    def precision(self, share: float = 1.0) -> Tensor:
        """1 + share (e^t - 1), (d,): that of u given h."""
        if not self.learned:
            return torch.ones_like(self.mean)
        return 1 + share * torch.expm1(self.log_precision)

    def standard(self, v: Tensor) -> Tensor:
        return (v - self.mean) / self.sigma

    def own(self, u: Tensor) -> Tensor:
        if not self.learned:
            return u.new_zeros(len(u))
        return -0.5 * (u.square() * torch.expm1(self.log_precision)).sum(-1)

    def log_mean(self, field: Tensor, share: float = 1.0) -> Tensor:
        precision = self.precision(share)
        return 0.5 * (field.square() / precision - precision.log()).sum(-1)

    def draw(self, field: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
        precision = self.precision(share)
        u = field / precision + standard_normal(field.shape, field, generator) / precision.sqrt()
        return self.mean + self.sigma * u

    def initialise(self, v: Tensor) -> None:
        self.mean.copy_(v.double().nanmean(0).nan_to_num(0.0))

    def clear(self) -> None:
        if self.learned:
            nn.init.zeros_(self.log_precision)
