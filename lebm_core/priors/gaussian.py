"""The Gaussian prior, f = 0."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import standard_normal
from lebm_core.errors import UsageError
from lebm_core.priors.base import Prior, check_sizes

__all__ = ["GaussianPrior"]


class GaussianPrior(Prior):
    """f = 0: p(z) = N(0, std^2 I), the control of every table."""

    normalised = True

    def __init__(self, latent_dim: int, std: float = 1.0) -> None:
        super().__init__()
        check_sizes(latent_dim, std)
        self.latent_dim = latent_dim
        self.register_buffer("std", torch.tensor(float(std)), persistent=False)

    @property
    def reference(self) -> Independent[Normal]:
        std: Tensor = self.std  # type: ignore[assignment]
        return Independent(Normal(std.new_zeros(self.latent_dim), std, validate_args=False), 1)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        return z.new_zeros(len(z))

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if y is not None:
            raise UsageError("A Gaussian prior has no classes: sample it without y.")
        return self.draw_reference(n, generator)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        std: Tensor = self.std  # type: ignore[assignment]
        return std * standard_normal((n, self.latent_dim), std, generator)
