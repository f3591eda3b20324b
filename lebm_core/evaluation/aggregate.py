"""Decoded posterior codes: what no prior over this decoder can improve on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.sequences.dataset import TokenDataset, rows_of

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["aggregate_rows"]
DECODED = 256  # examples encoded and decoded at once


@torch.no_grad()
def aggregate_rows(
    model: LatentEBM, data: TokenDataset, n: int, *, seed: int, generator: torch.Generator | None
) -> list[Tensor]:
    """Sequences decoded from z ~ q(z|x) of n training examples: what no prior can better.

    Args:
        model: in evaluation mode.
        data: its training split.
        n: how many; all where there are fewer.
        seed: of which examples.
        generator: source of all other randomness.
    """
    rows = subset(data.length("train"), n, seed)
    order = data.lengths("train")[rows].argsort(stable=True)
    found = []
    for at in order.split(DECODED):
        x = data.batch("train", rows[at]).x.to(model.device)
        z = model.posterior(x, generator=generator)
        found += rows_of(model.decode(z, generator=generator))
    return found
