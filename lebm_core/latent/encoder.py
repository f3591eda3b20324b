"""Encoder q(z | x), a diagonal Gaussian: what a plugin provides."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.modules import Component

__all__ = ["Encoder", "gaussian_code"]


class Encoder(Component):
    """q(z | x), a diagonal Gaussian."""

    latent_dim: int

    def forward(self, x: Any, context: Tensor | None = None) -> Independent[Normal]:
        """q(z | x) with batch shape (B,) and event shape (d,); see `gaussian_code`."""
        kind = type(self).__name__
        raise TypeError(f"{kind} defines no forward(x): an encoder returns q(z | x).")

    def embed(self, x: Any) -> Any:
        """x as real numbers (B, ...) near which p(y | x) can be smooth; by default x itself.

        An encoder of words gives their embeddings, 0 where there is none, and takes them back in
        `from_embedded` (Miyato et al. 2017, arXiv 1605.07725).
        """
        return x

    def from_embedded(
        self, embedded: Any, x: Any, context: Tensor | None = None
    ) -> Independent[Normal]:
        """q(z | x) from `embed(x)`, moved or not; whoever overrides one overrides both.

        Args:
            embedded: what `embed` gave.
            x: the examples, for what they say beside it, such as where they end.
            context: (B, c) the prior's context, or None.
        """
        found: Independent[Normal] = self(embedded, context)
        return found

    def part(
        self, embedded: Tensor, hidden: float, generator: torch.Generator | None = None
    ) -> Tensor:
        """`embed(x)` of which something is hidden at random: its class is to stay the same.

        An encoder that knows what else leaves a class as it is, such as another view, may do that.

        Args:
            embedded: what `embed` gave, (B, T, E) words or (B, ...) numbers.
            hidden: share that is set to 0: words, else entries.
            generator: source of all randomness.
        """
        shape = embedded.shape[:2] + (1,) if embedded.dim() == 3 else embedded.shape
        device = embedded.device if generator is None else generator.device
        drawn = torch.rand(shape, generator=generator, device=device).to(embedded.device)
        return embedded * (drawn >= hidden)


def gaussian_code(statistics: Tensor, min_log_std: float = -6.0) -> Independent[Normal]:
    """The Gaussian whose mean and log standard deviation are the two halves of (B, 2d).

    The log standard deviation is clamped to [min_log_std, 3]: a code that collapses to a point
    has an infinite KL.
    """
    mean, log_std = statistics.float().chunk(2, dim=-1)
    return Independent(Normal(mean, log_std.clamp(min_log_std, 3.0).exp(), validate_args=False), 1)
