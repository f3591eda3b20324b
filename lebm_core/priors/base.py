"""Priors p(z) proportional to exp(f(z)) p0(z): f is the log-tilt, high is likely, never flipped.

Source: Pang et al., "Learning latent space energy-based prior model", NeurIPS 2020,
arXiv 2006.08205 (the tilt, eq. 2).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Distribution

from lebm_core.base.modules import Component
from lebm_core.chains.densities import LogDensity
from lebm_core.errors import UsageError

__all__ = ["Prior", "check_sizes"]


class Prior(Component):
    """What every prior gives.

    Attributes:
        latent_dim: dimension d of z.
        normalised: whether `log_prob` integrates to one as it stands (log Z = 0).
        n_classes: number of classes C of a coupled prior, else 0.
        context_dim: features of the context, 0 for none.
        fitted_to: what of q(z|x) over the training data it is fitted to after training, "means" or
            "draws"; "" for a prior that is not.
    """

    latent_dim: int
    normalised = False
    n_classes = 0
    context_dim = 0
    uniform_reference = False
    fitted_to = ""

    @property
    def reference(self) -> Distribution:
        """p0, with event shape (d,)."""
        raise TypeError(f"{type(self).__name__} defines no reference.")

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z), (B,), in nats; F_y(z) where y (B,) is given to a coupled prior."""
        raise TypeError(f"{type(self).__name__} defines no log_tilt.")

    def log_prob(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z) + log p0(z), (B,), in nats: log p(z) + log Z."""
        return self.log_tilt(z, y, context) + self.reference.log_prob(z)

    def energy(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """-f(z) - log p0(z), (B,)."""
        return -self.log_prob(z, context=context)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, (n, d)."""
        raise TypeError(f"{type(self).__name__} defines no sample.")

    def fit(self, codes: Tensor, seed: int = 0) -> None:
        """Fits the prior to codes (N, d), where `fitted_to` asks for some."""
        raise TypeError(f"{type(self).__name__} is not fitted to codes.")

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from p0, (n, d)."""
        raise TypeError(f"{type(self).__name__} defines no draw_reference.")

    def target(self, y: Tensor | None = None, context: Tensor | None = None) -> LogDensity:
        """The unnormalised log-density that a chain follows, (B, d) -> (B,)."""
        return lambda z: self.log_prob(z, y, context)

    def fold(self, z: Tensor) -> Tensor:
        """Maps z back into the support of p0; the identity unless p0 is bounded."""
        return z


def check_sizes(latent_dim: int, std: float) -> None:
    """Refuses sizes that no prior has."""
    if latent_dim < 0:
        raise UsageError(f"prior.latent_dim must be 0 or more, not {latent_dim}.")
    if not std > 0:
        raise UsageError(f"prior.reference_std must be positive, not {std}.")
