"""Pixels of some levels in [-1, 1], and the distribution of them one after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from lebm_core.base.checks import positive
from lebm_core.base.randomness import uniform

__all__ = ["PixelDistribution", "level_of", "level_width", "value_of"]


def level_width(levels: int) -> float:
    """The distance between two neighbouring levels.

    >>> level_width(17)
    0.125
    """
    return 2 / (levels - 1)


def level_of(x: Tensor, levels: int) -> Tensor:
    """The number of the level nearest to each x, from 0 for -1 to levels - 1 for 1."""
    return ((x + 1) / level_width(levels)).round().clamp(0, levels - 1).long()


def value_of(level: Tensor, levels: int) -> Tensor:
    """The value in [-1, 1] of each level."""
    return level.float() * level_width(levels) - 1


class PixelNetwork(Protocol):
    """What gives the logits of each pixel from those before it."""

    shape: tuple[int, ...]
    levels: int

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits (B, C, H, W, levels) of images (B, C, H, W) and codes (B, d)."""


class PixelDistribution(Distribution):
    """p(x | z) of images, a product over pixels in the order of rows, columns, channels.

    Args:
        network: its logits.
        z: (B, d).
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, network: PixelNetwork, z: Tensor) -> None:
        self.network, self.z = network, z
        super().__init__(torch.Size([len(z)]), torch.Size(network.shape), validate_args=False)

    @property
    def support(self) -> Any:
        """Images of numbers from -1 to 1, of which each stands for the level nearest to it."""
        return constraints.independent(constraints.interval(-1.0, 1.0), 3)

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(x | z), (B,), in nats, of the levels nearest to x (B, C, H, W)."""
        log_p = self.network.logits(value, self.z).log_softmax(-1)
        level = level_of(value, self.network.levels)[..., None]
        return log_p.gather(-1, level).sum((1, 2, 3, 4))

    @torch.no_grad()
    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
        temperature: float = 1.0,
    ) -> Tensor:
        """Draw x (B, C, H, W), pixel by pixel.

        Args:
            sample_shape: () alone.
            generator: source of all randomness.
            noise: of pixels about their mean, which is all the draw there is: it is made anyway.
            temperature: divides the logits; below 1 draws are more like the mode.
        """
        positive("temperature", temperature)

        def drawn(logits: Tensor) -> Tensor:
            cumulated = (logits / temperature).softmax(-1).cumsum(-1)
            u = uniform((len(logits), 1), logits, generator)
            return (u > cumulated[:, :-1]).sum(-1)

        return self._filled(drawn)

    @property
    @torch.no_grad()
    def mode(self) -> Tensor:
        """Each pixel at its most probable level given those before it, which is no mode of all."""
        return self._filled(lambda logits: logits.argmax(-1))

    def _filled(self, choose: Callable[[Tensor], Tensor]) -> Tensor:
        channels, height, across = self.network.shape
        x = self.z.new_zeros(len(self.z), channels, height, across)
        for row in range(height):
            for column in range(across):
                for channel in range(channels):
                    above = x[:, :, : row + 1]  # rows below are not seen
                    seen = self.network.logits(above, self.z)[:, channel, row, column]
                    x[:, channel, row, column] = value_of(choose(seen), self.network.levels)
        return x
