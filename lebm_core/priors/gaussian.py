"""The Gaussian prior, f = 0: the baseline of every table."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import standard_normal
from lebm_core.priors.base import Prior, check_sizes

__all__ = ["GaussianPrior"]


class GaussianPrior(Prior):
    """f = 0: p(z) = N(0, std^2 I).

    Args:
        latent_dim: dimension d of z; 0 is the plain model without z.
        reference_std: standard deviation.
    """

    normalised = True

    def __init__(self, latent_dim: int = 32, reference_std: float = 1.0) -> None:
        super().__init__()
        check_sizes(latent_dim, reference_std)
        self.latent_dim = latent_dim
        self.register_buffer("std", torch.tensor(float(reference_std)), persistent=False)

    std: Tensor

    @property
    def reference(self) -> Independent[Normal]:
        zero = self.std.new_zeros(self.latent_dim)
        return Independent(Normal(zero, self.std, validate_args=False), 1)

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
        self.refuse_classes(y)
        return self.draw_reference(n, generator)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.std * standard_normal((n, self.latent_dim), self.std, generator)
