"""A normalising flow as a prior (Dinh et al. 2017, arXiv 1605.08803)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Prior
from lebm_core.base.checks import whole
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import standard_normal
from lebm_core.errors import UsageError


class FlowPrior(Prior):
    """z = T(u) with u ~ N(0, I) and T affine coupling layers: sampled directly, log p exact.

    Its tilt is f = log p - log p0 with p0 = N(0, I), so log Z = 0.

    Args:
        latent_dim: dimension d of z, at least 2.
        layers: coupling layers; each leaves one half of the coordinates as it is.
        hidden: widths of the hidden layers of each layer's network.
    """

    normalised = True

    def __init__(self, latent_dim: int = 2, layers: int = 4, hidden: Sequence[int] = (32,)) -> None:
        super().__init__()
        if latent_dim < 2:
            raise UsageError(
                f"prior.latent_dim = {latent_dim} is too small for strange.flow; use 2."
            )
        whole("prior.layers", layers, 1, 100)
        self.latent_dim = latent_dim
        self.layers = nn.ModuleList(
            mlp([latent_dim, *hidden, 2 * latent_dim], nn.SiLU) for _ in range(layers)
        )
        for layer in self.layers:
            nn.init.zeros_(layer[-1].weight)  # T is the identity at first
            nn.init.zeros_(layer[-1].bias)
        masks = [(torch.arange(latent_dim) + number) % 2 for number in range(layers)]
        self.register_buffer("masks", torch.stack(masks).float(), persistent=False)

    masks: Tensor  # (layers, d), 1 where a layer leaves a coordinate as it is

    @property
    def reference(self) -> Independent:
        zero = self.masks.new_zeros(self.latent_dim)
        return Independent(Normal(zero, zero + 1, validate_args=False), 1)

    def log_prob(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        self.refuse_classes(y)
        u, total = z, z.new_zeros(len(z))
        for number in reversed(range(len(self.layers))):
            scale, shift = self._affine(number, u)
            u = (u - shift) * (-scale).exp()
            total = total - scale.sum(-1)
        return self.reference.log_prob(u) + total

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        return self.log_prob(z, y, context) - self.reference.log_prob(z)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        z = self.draw_reference(n, generator)
        for number in range(len(self.layers)):
            scale, shift = self._affine(number, z)
            z = z * scale.exp() + shift
        return z

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return standard_normal((n, self.latent_dim), self.masks, generator)

    def _affine(self, number: int, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log scale and shift of one layer, (B, d) each, 0 where it leaves z as it is."""
        mask = self.masks[number]
        scale, shift = self.layers[number](z * mask).chunk(2, -1)
        return torch.tanh(scale) * (1 - mask), shift * (1 - mask)
