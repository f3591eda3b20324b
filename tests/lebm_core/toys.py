"""Models whose posterior and marginal are known in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, MultivariateNormal, Normal

from lebm_core import Decoder, Encoder


class Linear(Decoder):
    """x = W z + sigma eps."""

    def __init__(self, weight: Tensor, sigma: float) -> None:
        super().__init__()
        self.latent_dim = weight.shape[1]
        self.weight, self.sigma = nn.Parameter(weight), sigma

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent:
        return Independent(Normal(z @ self.weight.T, self.sigma), 1)

    def marginal(self) -> MultivariateNormal:
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(len(self.weight))
        return MultivariateNormal(torch.zeros(len(self.weight)), covariance.detach())

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, d) and precision (d, d)."""
        w = self.weight.detach()
        precision = torch.eye(self.latent_dim) + w.T @ w / self.sigma**2
        return torch.linalg.solve(precision, w.T @ x.T / self.sigma**2).T, precision


class Exact(Encoder):
    """The diagonal Gaussian with the exact posterior's mean and `spread` times its deviations."""

    def __init__(self, decoder: Linear, spread: float = 1.0) -> None:
        super().__init__()
        self.latent_dim, self.spread = decoder.latent_dim, spread
        self.decoder = [decoder]

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent:
        mean, precision = self.decoder[0].posterior(x)
        std = torch.linalg.inv(precision).diagonal().sqrt() * self.spread
        return Independent(Normal(mean, std.expand_as(mean)), 1)
