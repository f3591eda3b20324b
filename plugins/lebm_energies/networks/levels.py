"""What energies that see a level of noise share: the indicator, and the scale of each level."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lebm_core import Energy
from lebm_core.base.checks import positive, share, whole
from lebm_core.errors import UsageError

__all__ = ["LevelEnergy", "Levels"]


class Levels(nn.Module):
    """Of each level of noise how much of x is kept, and the precision 1 / sigma_t^2 of its noise.

    sigma_t^2 = 1 - kept_t^2 (1 - least^2) of kept_t = cos(pi t / 2T). f of a level has slopes in
    proportion to 1 / sigma_t, and its classes differ by about kept_t sqrt(d) / sigma_t: a network
    that has to find such factors by itself learns the lowest and the highest levels last.

    Args:
        levels: T, the numbers of the context, which indicates the level; 0 for level 0 alone.
        least: standard deviation of the noise at level 0.

    Raises:
        UsageError: for a noise that is not possible.
    """

    def __init__(self, levels: int, least: float) -> None:
        super().__init__()
        self.levels = max(1, whole("energy.context_dim", levels))
        share("energy.least", least)
        positive("energy.least", least)
        angle = torch.arange(self.levels, dtype=torch.float64) * (math.pi / (2 * self.levels))
        kept = angle.cos()
        self.register_buffer("kept", kept.float(), persistent=False)
        variance = 1 - kept.square() * (1 - least**2)
        self.register_buffer("log_precision", -variance.log().float(), persistent=False)

    kept: Tensor
    log_precision: Tensor  # so that a context between levels has a precision above 0 as well

    def of(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """kept_t and 1 / sigma_t^2 of the level that each row (B, T) indicates, (B, 1) each."""
        return context @ self.kept[:, None], (context @ self.log_precision[:, None]).exp()

    def indicator(self, z: Tensor, context: Tensor | None) -> Tensor:
        """The context of each z (B, d), (B, T); without one it is at level 0."""
        if context is not None:
            return context.expand(len(z), -1)
        return torch.eye(self.levels, dtype=z.dtype, device=z.device)[:1].expand(len(z), -1)


class LevelEnergy(Energy):
    """F_c of z is |z|^2 / 2 - p_t |z - k_t R|^2 / 2 + k_t sqrt(n p_t) G_c at levels of noise."""

    def logits_of(
        self, z: Tensor, off: Tensor, classes: Tensor, n: int, given: tuple[Tensor, Tensor]
    ) -> Tensor:
        """F, (B, C).

        Args:
            z: (B, d).
            off: z - k_t R, (B, d).
            classes: G, (B, C).
            n: numbers or points that tell classes apart.
            given: k_t and p_t, see `Levels.of`.
        """
        kept, precision = given
        lost = precision * off.square().sum(-1, keepdim=True)
        common = 0.5 * (z.square().sum(-1, keepdim=True) - lost)
        return common + kept * (n * precision).sqrt() * classes

    def start_at_zero(self) -> None:
        """Refused: p_t |z - k_t R|^2 is 0 nowhere but at the reconstruction."""
        raise UsageError(
            f"prior.stages above 1 needs an energy that can be 0, which {type(self).__name__} "
            "cannot."
        )
