"""Distributions p(x | z) over the pixels of images x (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, Normal

from lebm_core.base.randomness import normal_like, uniform

__all__ = ["BernoulliImage", "GaussianImage"]


class _Image(Independent[Any]):
    """p(x | z) over pixels; a draw takes a generator, and may leave out the pixel noise."""

    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
    ) -> Tensor:
        """Draw x, or return the mean with noise=False, as published grids and distances use."""
        if not noise:
            return self.mean
        return self.noisy(generator)

    def noisy(self, generator: torch.Generator | None) -> Tensor:
        """Draw x with the pixel noise."""
        raise NotImplementedError


class GaussianImage(_Image):
    """N(mean, sigma^2) at each pixel."""

    def __init__(self, mean: Tensor, sigma: Tensor | float) -> None:
        super().__init__(Normal(mean, sigma, validate_args=False), 3, validate_args=False)

    def noisy(self, generator: torch.Generator | None) -> Tensor:
        noise: Tensor = self.base_dist.stddev * normal_like(self.mean, generator)
        return self.mean + noise


class _Binary(Bernoulli):
    """1 with a probability, else -1; grey levels between them enter as cross entropy."""

    @property
    def mean(self) -> Tensor:
        mean: Tensor = 2 * self.probs - 1
        return mean

    def log_prob(self, value: Tensor) -> Tensor:
        log_p: Tensor = super().log_prob((value + 1) / 2)  # type: ignore[no-untyped-call]
        return log_p


class BernoulliImage(_Image):
    """Each pixel is 1 with probability sigmoid(logit), else -1."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__(_Binary(logits=logits, validate_args=False), 3, validate_args=False)

    def noisy(self, generator: torch.Generator | None) -> Tensor:
        p: Tensor = self.base_dist.probs
        return 2 * (uniform(tuple(p.shape), p, generator) < p).to(p.dtype) - 1
