"""x itself in the place of z: the decoder and the encoder of a prior over data."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder

__all__ = ["ObservedDecoder", "ObservedEncoder"]

WIDTH = 1e-4  # of a point mass: far below any scale of the data


class ObservedDecoder(Decoder):
    """x = z, in the shape of x.

    Args:
        latent_dim: d, the numbers of one x.
        shape: of one x.

    Raises:
        UsageError: where x has other than d numbers.
    """

    def __init__(self, latent_dim: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.latent_dim, self.shape = latent_dim, tuple(whole("shape", n, 1) for n in shape)
        if math.prod(self.shape) != latent_dim:
            raise UsageError(
                f"prior.latent_dim = {latent_dim} must be {math.prod(self.shape)}, the numbers of "
                f"one x of the shape {self.shape}; leave it out."
            )

    def forward(self, z: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        x = z.view(-1, *self.shape)
        return Independent(Normal(x, WIDTH, validate_args=False), len(self.shape))


class ObservedEncoder(Encoder):
    """z = x, flat.

    Args:
        latent_dim: d, the numbers of one x.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        z = x.flatten(1)
        return Independent(Normal(z, torch.full_like(z, WIDTH), validate_args=False), 1)
