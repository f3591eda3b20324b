"""Energy "reconstruction": how far x with noise is from what a perceptron makes of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import silu

from lebm_core.base.checks import whole
from lebm_energies.networks.levels import LevelEnergy, Levels

__all__ = ["Reconstruction"]


class Reconstruction(LevelEnergy):
    """F_c(z, t) = |z|^2 / 2 - p_t |z - k_t R(z, t)|^2 / 2 + k_t sqrt(d p_t) G_c(z, t).

    At levels of noise t. R is a residual perceptron from z to x, G a linear layer of its features.
    Where R is the mean of x given z and its slope is small, grad f - z = p_t (k_t R - z) is the
    score of z_t, which an energy of one output has to find through a narrow way. Its form is the
    one that learns best of those compared by Salimans and Ho, "Should EBMs model the energy or the
    score?", 2021; k_t is the share of x in z_t, p_t the precision of its noise. For the priors
    "diffusion" and "coupled-diffusion".

    Args:
        latent_dim: numbers of one x.
        width: units of the layers.
        blocks: residual layers between the first and the last.
        least: standard deviation of the noise at level 0.
        outputs: C of the logits.
        context_dim: levels of noise; the prior gives it, and without it there is level 0 alone.

    Raises:
        UsageError: for sizes that are not possible.
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        width: int = 512,
        blocks: int = 2,
        least: float = 0.1,
        outputs: int = 1,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        whole("energy.width", width, 1)
        whole("energy.blocks", blocks, 0, 1000)
        whole("energy.outputs", outputs, 1)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.levels = Levels(context_dim, least)
        self.enter = nn.Linear(latent_dim, width)
        self.level = nn.Linear(self.levels.levels, width, bias=False)
        self.blocks = nn.ModuleList(nn.Linear(width, width) for _ in range(blocks))
        self.leave = nn.Linear(width, latent_dim)
        self.classes = nn.Linear(width, outputs)

    def hidden(self, z: Tensor, context: Tensor) -> Tensor:
        """The features of z at its level, (B, width)."""
        h = silu(self.enter(z) + self.level(context))
        for block in self.blocks:
            h = h + silu(block(h))
        return h

    def flat_features(self, z: Tensor) -> Tensor:
        """The features of each x without noise, (B, width)."""
        return self.hidden(z, self.levels.indicator(z, None))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        given = self.levels.indicator(z, context)
        level = self.levels.of(given)
        h = self.hidden(z, given)
        off = z - level[0] * self.leave(h)
        return self.logits_of(z, off, self.classes(h), self.latent_dim, level)
