"""Examples of a split with what a draw can be conditioned on: their class and their context."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["Given", "given_of", "whole_set"]


class Given(NamedTuple):
    """Examples x (n, ...), and y (n,) and context (n, c) where there are some; on the CPU."""

    x: Tensor
    y: Tensor | None
    context: Tensor | None

    def sample(self, model: LatentEBM, generator: torch.Generator, **options: Any) -> Tensor:
        """A draw of the model for the class and the context of each example, on the CPU."""
        y = self.y if model.prior.n_classes else None
        context = None if self.context is None else self.context.to(model.device)
        found: Tensor = model.sample(
            len(self.x), y=y, context=context, generator=generator, **options
        )
        return found.cpu()

    def vectors(self) -> Tensor:
        """The examples as vectors, each beside its context, (n, D)."""
        flat = self.x.flatten(1)
        return flat if self.context is None else torch.cat([flat, self.context], 1)


def given_of(data: Dataset, split: str, n: int = 0) -> Given:
    """The first n examples of a split; all for 0.

    Raises:
        UsageError: for x that are not real numbers of one shape.
    """
    rows = torch.arange(min(n, data.length(split)) if n else data.length(split))
    batch = data.batch(split, rows)
    if not isinstance(batch.x, Tensor) or not batch.x.is_floating_point():
        raise UsageError(f"cooperative metrics measure real numbers, and x of {data.name} is none.")
    return Given(batch.x, batch.y, batch.context)


def whole_set(data: Dataset, split: str, most: int = 10_000) -> Tensor:
    """x of a split, the first `most` of it."""
    return given_of(data, split, most).x
