"""The network of a denoising model of vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lebm_core.base.checks import whole

__all__ = ["Denoiser"]

FREQUENCIES = 16  # of the noise level's embedding, 1 to 100 by equal factors


class Denoiser(nn.Module):
    """v(z, angle), (B, d): residual blocks that see the level of noise; 0 before it is trained.

    Args:
        latent_dim: dimension d of z.
        width: of the blocks.
        blocks: how many.

    Raises:
        UsageError: for sizes that are not positive.
    """

    def __init__(self, latent_dim: int, width: int, blocks: int) -> None:
        super().__init__()
        whole("prior.width", width, 1)
        whole("prior.blocks", blocks, 1, 1000)
        frequencies = torch.logspace(0, 2, FREQUENCIES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.enter = nn.Linear(latent_dim, width)
        self.level = nn.Linear(2 * FREQUENCIES, width)
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

    def forward(self, z: Tensor, angle: Tensor) -> Tensor:
        """v at z (B, d) and noise of angle (B, 1), between 0 and pi / 2."""
        phase = angle * (2 / math.pi) * self.frequencies
        h = self.enter(z) + self.level(torch.cat([phase.sin(), phase.cos()], -1))
        for block in self.blocks:
            h = h + block(h)
        v: Tensor = self.leave(nn.functional.silu(h))
        return v
