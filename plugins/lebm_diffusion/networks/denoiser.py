"""The network of a denoising model of vectors: how it learns, and how it is drawn from.

Sources: Ho et al., "Denoising diffusion probabilistic models", NeurIPS 2020, arXiv 2006.11239;
Salimans and Ho, ICLR 2022, arXiv 2202.00512 (v, and noise by its angle); Song et al., ICLR 2021,
arXiv 2011.13456 (the ordinary differential equation).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lebm_core.base.checks import whole
from lebm_core.base.randomness import standard_normal, uniform

__all__ = ["Denoiser"]

FREQUENCIES = 16  # of the noise level's embedding, 1 to 100 by equal factors
QUARTER = math.pi / 2  # the angle of pure noise


class Denoiser(nn.Module):
    """v(z, angle), (B, d): residual blocks that see the level of noise; 0 before it is trained.

    z_phi = cos(phi) z + sin(phi) eps, and v is the mean of dz/dphi. Untrained, draws are N(0, I).

    Args:
        latent_dim: dimension d of z.
        width: of the blocks.
        blocks: how many.
        condition: numbers that it sees beside z.
        owner: the table of a recipe that width and blocks are from, for messages.

    Raises:
        UsageError: for sizes that are not positive.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int,
        blocks: int,
        condition: int = 0,
        owner: str = "prior",
    ) -> None:
        super().__init__()
        whole(f"{owner}.width", width, 1)
        whole(f"{owner}.blocks", blocks, 1, 1000)
        frequencies = torch.logspace(0, 2, FREQUENCIES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.enter = nn.Linear(latent_dim, width)
        self.level = nn.Linear(2 * FREQUENCIES, width)
        self.given = nn.Linear(condition, width, bias=False) if condition else None
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
            )
            for _ in range(blocks)
        )
        self.leave = nn.Linear(width, latent_dim)
        self.start()

    frequencies: Tensor

    def start(self) -> None:
        """Draw fresh weights; the last layer is 0."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.LayerNorm):
                module.reset_parameters()
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, z: Tensor, angle: Tensor, condition: Tensor | None = None) -> Tensor:
        """v at z (B, d) and noise of angle (B, 1), between 0 and pi / 2, given (B, condition)."""
        phase = angle * (2 / math.pi) * self.frequencies
        h = self.enter(z) + self.level(torch.cat([phase.sin(), phase.cos()], -1))
        if self.given is not None:
            h = h + self.given(condition)
        for block in self.blocks:
            h = h + block(h)
        v: Tensor = self.leave(nn.functional.silu(h))
        return v

    def loss(
        self,
        z: Tensor,
        generator: torch.Generator | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """The mean squared error of v on z (B, d), each at an angle drawn at random."""
        angle = QUARTER * uniform((len(z), 1), z, generator)
        noise = standard_normal(tuple(z.shape), z, generator)
        noisy = angle.cos() * z + angle.sin() * noise
        velocity = angle.cos() * noise - angle.sin() * z
        error: Tensor = (self(noisy, angle, condition) - velocity).square().mean()
        return error

    def denoise(self, noise: Tensor, steps: int, condition: Tensor | None = None) -> Tensor:
        """Follow dz/dphi = v from noise (B, d), phi = pi / 2, to 0, by Heun's method; (B, d)."""
        z = noise
        angles = torch.linspace(QUARTER, 0, steps + 1).tolist()
        for at, to in zip(angles, angles[1:], strict=False):
            slope = self(z, z.new_full((len(z), 1), at), condition)
            ahead = self(z + (to - at) * slope, z.new_full((len(z), 1), to), condition)
            z = z + (to - at) * (slope + ahead) / 2
        return z
