"""A small VAE fitted to codes after training: the prior of the two-stage VAE baseline.

Source: Dai and Wipf, "Diagnosing and enhancing VAE models", ICLR 2019, arXiv 1903.05789.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lebm_core.base.checks import widths
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import fork, standard_normal
from lebm_core.errors import UsageError
from lebm_core.priors.fitted import SampledPrior

__all__ = ["SecondStagePrior"]

BATCH = 256
WARMUP = 0.1  # share of a fit in which the weight of the KL rises


class SecondStagePrior(SampledPrior):
    """p(z) = integral over u of N(z; g(u), diag sigma^2) N(u; 0, I), g and sigma fitted to codes.

    Before `fit` it is N(0, I), which stays the reference of its tilt. Afterwards it can be sampled,
    but its density cannot be computed.

    Args:
        latent_dim: dimension d of z, and of u.
        hidden: widths of the hidden layers of g and of its encoder.
    """

    fitted_to = "draws"

    def __init__(self, latent_dim: int = 32, hidden: Sequence[int] = (200, 200)) -> None:
        super().__init__(latent_dim)
        widths("prior.hidden", hidden)
        self.net = mlp([latent_dim, *hidden, latent_dim], nn.SiLU)
        self.encoder = mlp([latent_dim, *hidden, 2 * latent_dim], nn.SiLU)
        self.requires_grad_(False)  # trained by `fit` alone
        self.register_buffer("shift", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))
        self.register_buffer("sigma", torch.ones(latent_dim))

    shift: Tensor
    scale: Tensor  # of the codes, which the nets see standardised
    sigma: Tensor  # of each coordinate of the standardised codes

    def fit(self, codes: Tensor, seed: int = 0, steps: int = 5000, lr: float = 5e-3) -> None:
        """Maximise the variational bound of codes (N, d) by `steps` updates of Adam.

        Raises:
            UsageError: for fewer than 2 codes.
        """
        if len(codes) < 2:
            raise UsageError(f"A second stage cannot be fitted to {len(codes)} codes.")
        self.shift.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0).clamp(min=1e-6))
        standard = (codes - self.shift) / self.scale
        generator = torch.Generator(codes.device).manual_seed(seed)
        with fork(generator), torch.enable_grad():
            self._start()
            self.requires_grad_(True)
            adam = torch.optim.Adam(self.parameters(), lr)
            cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
            for step in range(steps):
                rows = torch.randint(len(codes), (BATCH,), generator=generator, device=codes.device)
                adam.zero_grad()
                error, kl = self._terms(standard[rows], generator)
                # -E_q log p(z|u) at the best sigma, up to constants
                weight = min(1.0, step / (WARMUP * steps))  # without warm-up, u would stay unused
                (0.5 * error.log().sum() + weight * kl).backward()
                adam.step()
                cosine.step()
            self.requires_grad_(False)
        self.zero_grad()
        self.sigma.copy_(self._terms(standard, generator)[0].sqrt())
        self.fitted.fill_(True)

    def _start(self) -> None:
        """Draw fresh weights, so that a fit depends on its codes and seed alone."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()

    def _terms(self, z: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The mean squared error of each coordinate, (d,), and KL(q(u|z) || N(0, I)) in nats."""
        mean, log_std = self.encoder(z).chunk(2, dim=-1)
        u = mean + log_std.exp() * standard_normal(mean.shape, mean, generator)
        kl = 0.5 * (mean.square() + (2 * log_std).exp() - 1).sum(-1) - log_std.sum(-1)
        return (z - self.net(u)).square().mean(0), kl.mean()

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        u = self.draw_reference(n, generator)
        if not bool(self.fitted):
            return u
        noise = self.draw_reference(n, generator)
        with torch.no_grad():
            z: Tensor = self.shift + self.scale * (self.net(u) + self.sigma * noise)
        return z
