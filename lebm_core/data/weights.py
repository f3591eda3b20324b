"""Examples drawn in proportion to their weights."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["in_proportion"]


def in_proportion(weights: Tensor, size: int, generator: torch.Generator | None = None) -> Tensor:
    """`size` row numbers in random order, each as often as its share of the weights, to within one.

    By systematic sampling, so that equal weights and size N give every row exactly once.

    Args:
        weights: (N,), 0 or more, not all 0.
        size: how many.
        generator: source of all randomness.
    """
    on = "cpu" if generator is None else generator.device
    rows = torch.randperm(len(weights), generator=generator, device=on).cpu()
    ends = weights[rows].double().cumsum(0)
    places = torch.arange(size) + torch.rand(1, generator=generator, device=on).double().cpu()
    taken = torch.searchsorted(ends, places * (ends[-1] / size), right=True)
    last = int((weights[rows] > 0).nonzero()[-1])  # rounding may lead beyond the last
    order = torch.randperm(size, generator=generator, device=on).cpu()
    return rows[taken.clamp(max=last)][order]
