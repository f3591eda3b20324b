"""Priors that are fitted to codes after training, and drawn from without a chain."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import standard_normal
from lebm_core.base.schedules import cosine
from lebm_core.errors import UnsupportedEstimate
from lebm_core.priors.base import Prior, check_sizes

__all__ = ["FittedPrior", "SampledPrior", "descend"]


def descend(
    net: nn.Module,
    loss: Callable[[], Tensor],
    steps: int,
    lr: float,
    after: Callable[[int], object] = lambda step: None,
) -> None:
    """Lower a loss of a network by Adam, the learning rate falling to 0 as a cosine.

    Args:
        net: takes gradients here alone.
        loss: a scalar of a fresh batch, with gradients.
        steps: updates.
        lr: learning rate of the first.
        after: is called with the number of each update that was made.
    """
    with torch.enable_grad():
        net.requires_grad_(True)
        adam = torch.optim.Adam(net.parameters(), lr)
        for step in range(steps):
            for group in adam.param_groups:
                group["lr"] = lr * cosine(step / steps)
            adam.zero_grad()
            loss().backward()
            adam.step()
            after(step)
        net.requires_grad_(False)
    net.zero_grad()


class FittedPrior(Prior):
    """N(0, I) until it is fitted, which stays the reference of its tilt.

    Args:
        latent_dim: dimension d of z.

    Raises:
        UsageError: for a dimension that is not possible.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        check_sizes(latent_dim, 1.0)
        self.latent_dim = latent_dim
        self.register_buffer("origin", torch.zeros(latent_dim), persistent=False)

    origin: Tensor

    @property
    def reference(self) -> Independent[Normal]:
        one = torch.ones_like(self.origin)
        return Independent(Normal(self.origin, one, validate_args=False), 1)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return standard_normal((n, self.latent_dim), self.origin, generator)


class SampledPrior(FittedPrior):
    """A prior that, once it is fitted, can be drawn from alone: its density is not computed.

    Args:
        latent_dim: dimension d of z.

    Attributes:
        fitted: whether it is, a buffer.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__(latent_dim)
        self.register_buffer("fitted", torch.tensor(False))

    fitted: Tensor

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """0 before it is fitted.

        Raises:
            UnsupportedEstimate: afterwards.
        """
        if bool(self.fitted):
            raise UnsupportedEstimate(
                f"The density of {type(self).__name__} is not computed: it can only be sampled."
            )
        return z.new_zeros(len(z))
