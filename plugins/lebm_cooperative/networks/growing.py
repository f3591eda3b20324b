"""p(x | z) of generators that go on beyond what z says: larger pictures, longer clips."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import normal_like

__all__ = ["GaussianNoise"]


class GaussianNoise(Independent[Any]):
    """N(mean, sigma^2) at each number of x.

    Args:
        mean: (B, ...).
        sigma: a number.
    """

    def __init__(self, mean: Tensor, sigma: Tensor) -> None:
        super().__init__(
            Normal(mean, sigma, validate_args=False), mean.ndim - 1, validate_args=False
        )
        self.sigma = sigma

    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Draw x, or return the mean with noise=False."""
        return self.drawn(self.mean, generator, noise)

    @torch.no_grad()
    def drawn(self, mean: Tensor, generator: torch.Generator | None, noise: bool) -> Tensor:
        """The mean (B, ...), of whatever size, with noise or without."""
        return mean + self.sigma * normal_like(mean, generator) if noise else mean
