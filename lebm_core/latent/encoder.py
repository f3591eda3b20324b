"""Encoder q(z | x), a diagonal Gaussian: what a plugin provides."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.modules import Component, accept_context
from lebm_core.data.dataset import BatchSource

__all__ = ["Encoder", "gaussian_code"]


class Encoder(Component):
    """q(z | x), a diagonal Gaussian.

    `forward` and `from_embedded` may do without the parameter `context`.

    Attributes:
        latent_dim: dimension d of z.
        latent_layout: as the decoder's.
    """

    latent_dim: int
    latent_layout: Mapping[str, int] = MappingProxyType({})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        accept_context(cls, "forward", "from_embedded")

    def initialise(self, dataset: BatchSource) -> None:
        """Set what follows from the training split, such as frequencies; by default nothing."""

    def forward(self, x: Any, context: Tensor | None = None) -> Independent[Normal]:
        """q(z | x) with batch shape (B,) and event shape (d,); see `gaussian_code`."""
        kind = type(self).__name__
        raise TypeError(f"{kind} defines no forward(x): an encoder returns q(z | x).")

    def embed(self, x: Any) -> Any:
        """x as real numbers (B, ...) near which p(y | x) can be smooth; by default x itself.

        An encoder of tokens gives their embeddings, 0 where there is none, and takes them back in
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

    def embedded_scale(self, embedded: Tensor, x: Any) -> Tensor:
        """The length of a perturbation of radius 1, (B, 1), in virtual adversarial training.

        For x itself the radius is a root mean square over its known entries, so this is the square
        root of their number. For embeddings it is in units of the root mean square length of an
        example's vectors that are not 0, which no growth of the embedding can escape.

        Args:
            embedded: what `embed` gave: x, vectors (B, T, E) or weights (B, V).
            x: the examples.
        """
        if embedded is x:
            known: Tensor = (~embedded.isnan()).flatten(1).sum(1, keepdim=True)
            return known.sqrt()
        lengths = embedded.detach()
        if lengths.ndim > 2:
            lengths = lengths.flatten(2).norm(dim=2)
        many = (lengths != 0).sum(1, keepdim=True).clamp(min=1)
        root_mean_square: Tensor = lengths.norm(dim=1, keepdim=True) / many.sqrt()
        return root_mean_square

    def augment(
        self, embedded: Tensor, masked: float, generator: torch.Generator | None = None
    ) -> Tensor:
        """`embed(x)` with a random augmentation that leaves its class as it is: masking.

        An encoder that knows of others, such as a shifted view, may apply those.

        Args:
            embedded: what `embed` gave, vectors (B, T, E) or numbers (B, ...).
            masked: share that is set to 0: of vectors as a whole, else of entries.
            generator: source of all randomness.
        """
        shape = embedded.shape[:2] + (1,) if embedded.dim() == 3 else embedded.shape
        device = embedded.device if generator is None else generator.device
        drawn = torch.rand(shape, generator=generator, device=device).to(embedded.device)
        return embedded * (drawn >= masked)


def gaussian_code(statistics: Tensor, min_log_std: float = -6.0) -> Independent[Normal]:
    """The Gaussian whose mean and log standard deviation are the two halves of (B, 2d).

    The log standard deviation is clamped to [min_log_std, 3]: a code that collapses to a point
    has an infinite KL.
    """
    mean, log_std = statistics.float().chunk(2, dim=-1)
    return Independent(Normal(mean, log_std.clamp(min_log_std, 3.0).exp(), validate_args=False), 1)
