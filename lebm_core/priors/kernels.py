"""Energy network "kernels": a learned mixture of Gaussian kernels over the reference.

A perceptron learns the ratio of codes and reference over the whole space, and slowly where they lie
far apart; a kernel is local from the start. Source: radial basis functions, Broomhead and Lowe,
"Multivariable functional interpolation and adaptive networks", Complex Systems 2, 1988.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lebm_core.base.checks import positive, whole
from lebm_core.base.randomness import fork
from lebm_core.priors.energy import Energy

__all__ = ["Kernels"]


class Kernels(Energy):
    """F(z) = log sum_j w_j N(z; c_j, h_j^2 I) - log N(z; 0, I), centres, widths, weights learned.

    With p0 = N(0, I) the tilted prior is the mixture itself, and the density ratio learns it. The
    centres begin as draws of N(0, I).

    Args:
        latent_dim: d.
        kernels: M, of each logit.
        width: first standard deviation of a kernel.
        outputs: C.

    Raises:
        UsageError: for a size below 1, or a width that is not positive.
    """

    def __init__(
        self, latent_dim: int, kernels: int = 500, width: float = 0.8, outputs: int = 1
    ) -> None:
        super().__init__()
        whole("energy.latent_dim", latent_dim)
        whole("energy.kernels", kernels, 1, 1_000_000)
        positive("energy.width", width)
        whole("energy.outputs", outputs, 1)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.first_width = width
        self.centres = nn.Parameter(torch.empty(outputs * kernels, latent_dim))
        self.log_widths = nn.Parameter(torch.empty(outputs * kernels))
        self.log_weights = nn.Parameter(torch.empty(outputs * kernels))
        self.scale = nn.Parameter(torch.ones(()))  # 0 makes F = 0
        self.zero_output = False
        self.reset()

    def reset(self, generator: torch.Generator | None = None) -> None:
        with fork(generator), torch.no_grad():
            self.centres.normal_()
            self.log_widths.fill_(math.log(self.first_width))
            self.log_weights.fill_(math.log(self.outputs / len(self.centres)))
            self.scale.fill_(0.0 if self.zero_output else 1.0)

    def start_at_zero(self) -> None:
        """Make F = 0, now and after `reset`."""
        self.zero_output = True
        nn.init.zeros_(self.scale)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        precision = (-2 * self.log_widths).exp()
        own = z.square().sum(1, keepdim=True)
        # ||z - c||^2 by one product of matrices: the distances need no (B, M, d)
        between = z @ (self.centres * precision[:, None]).T
        lengths = self.centres.square().sum(1) * precision
        log_kernel = between - 0.5 * (own * precision + lengths)
        log_kernel = log_kernel + self.log_weights - self.latent_dim * self.log_widths
        mixture = log_kernel.view(len(z), self.outputs, -1).logsumexp(2)
        return self.scale * (mixture + 0.5 * own)
