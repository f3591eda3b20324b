"""A Gaussian mixture fitted to codes after training: the prior of the RAE baseline.

Source: Ghosh et al., "From variational to deterministic autoencoders", ICLR 2020, arXiv 1903.12436.
"""

from __future__ import annotations

import torch
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.distributions import (
    Categorical,
    MixtureSameFamily,
    MultivariateNormal,
)

from lebm_core.base.checks import fits, whole
from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError
from lebm_core.priors.fitted import FittedPrior

__all__ = ["MixturePrior"]


class MixturePrior(FittedPrior):
    """Mixture of Gaussians with full covariances; normalised, so log Z = 0.

    Args:
        latent_dim: dimension d of z.
        components: number of components K.

    Raises:
        UsageError: for sizes that are not possible.
    """

    normalised = True
    fitted_to = "means"

    def __init__(self, latent_dim: int = 32, components: int = 10) -> None:
        super().__init__(latent_dim)
        whole("prior.components", components, 1, 1_000_000)
        fits(float(components) * latent_dim**2, f"prior.components = {components:,}")
        self.register_buffer("weights", torch.full((components,), 1 / components))
        self.register_buffer("means", torch.zeros(components, latent_dim))
        self.register_buffer("factors", torch.eye(latent_dim).repeat(components, 1, 1))

    weights: Tensor
    means: Tensor
    factors: Tensor  # lower Cholesky factors of the covariances, (K, d, d)

    def fit(self, codes: Tensor, seed: int = 0) -> None:
        """Fit by EM to codes (N, d), by maximum likelihood."""
        k = len(self.weights)
        if len(codes) < k:
            raise UsageError(
                f"prior.components = {k} is too many for {len(codes)} codes; use at most that."
            )
        mixture = GaussianMixture(k, reg_covar=1e-4, random_state=seed, max_iter=200)
        mixture.fit(codes.double().cpu().numpy())
        self.weights.copy_(torch.as_tensor(mixture.weights_))
        self.means.copy_(torch.as_tensor(mixture.means_))
        self.factors.copy_(torch.linalg.cholesky(torch.as_tensor(mixture.covariances_)))

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        mixture = MixtureSameFamily(
            Categorical(self.weights),
            MultivariateNormal(self.means, scale_tril=self.factors, validate_args=False),
            validate_args=False,
        )
        return mixture.log_prob(z) - self.reference.log_prob(z)  # type: ignore[no-any-return]

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        u = uniform((n,), self.means, generator)
        component = torch.searchsorted(self.weights.cumsum(0), u).clamp(max=len(self.weights) - 1)
        noise = self.draw_reference(n, generator)
        shift = (self.factors[component] @ noise[:, :, None]).squeeze(-1)
        return self.means[component] + shift
