"""An energy-based prior whose chains start at draws of a denoising model of its codes.

Source: Yu et al., "Learning energy-based prior model with diffusion-amortized MCMC", NeurIPS 2023,
arXiv 2310.03218.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from lebm_core import EBMPrior, Sampler
from lebm_core.base.checks import whole
from lebm_core.priors.ebm import ENERGY, SAMPLER
from lebm_core.priors.energy import Energy
from lebm_diffusion.networks.denoiser import Denoiser

__all__ = ["AmortizedPrior"]


class AmortizedPrior(EBMPrior):
    """p(z) = exp(f(z)) N(z; 0, I) / Z, its chains started where a denoising model draws.

    The density is that of `EBMPrior`; what is amortised is the chain from N(0, I) to its modes.
    The rule "prior.diffusion-amortized" teaches both; before it has, and by any other rule, chains
    start at N(0, I).

    Args:
        latent_dim: dimension d of z.
        energy: the network f, an `Energy`, or its table {"name": ..., options}.
        sampler: of the prior's chain, a `Sampler`, or its table.
        bound: C of the bounded tilt f = C tanh(f/C), in nats; 0 or none leaves f unbounded.
        width: of the denoising model's network.
        blocks: of that network, of two layers each.
        denoising_steps: from noise to a start, two passes of the network each.

    Raises:
        UsageError: for sizes that are not possible.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        bound: float | None = 10.0,
        width: int = 128,
        blocks: int = 2,
        denoising_steps: int = 8,
    ) -> None:
        super().__init__(latent_dim, energy, sampler, bound=bound)
        self.denoising_steps = whole("prior.denoising_steps", denoising_steps, 1, 100_000)
        self.net = Denoiser(latent_dim, width, blocks)

    @torch.no_grad()
    def draw_start(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of the denoising model, (n, d); of N(0, I) while it is not taught."""
        noise = self.draw_reference(n, generator)
        taught = bool(self.net.leave.weight.any())
        return self.net.denoise(noise, self.denoising_steps) if taught else noise

    def start_loss(self, codes: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The error of denoising codes (N, d), a scalar with gradients for that network."""
        return self.net.loss(codes, generator)
