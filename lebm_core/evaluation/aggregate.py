"""Decoded posterior codes: what no prior over the same decoder can improve on."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.data.dataset import Dataset, subset
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.sequences.dataset import TokenDataset, rows_of

__all__ = ["decoded_posterior"]

BATCH = 256  # examples encoded and decoded at once


@torch.no_grad()
def decoded_posterior(
    model: LatentEBM,
    dataset: Dataset,
    n: int,
    *,
    seed: int,
    generator: torch.Generator | None,
    mode: bool = False,
) -> list[Tensor]:
    """Decode z ~ q(z|x) of n training examples.

    Args:
        model: in evaluation mode.
        dataset: its training split.
        n: how many examples; all where there are fewer.
        seed: of the choice of examples.
        generator: source of all other randomness.
        mode: the mean (or mode) of p(x|z) in place of a draw.

    Returns:
        Each decoded x, on the CPU; of sequences the ids up to the end, in order of the length of
        the example.
    """
    rows = subset(dataset.length("train"), n, seed)
    sequences = isinstance(dataset, TokenDataset)
    if isinstance(dataset, TokenDataset):  # less padding
        rows = rows[dataset.lengths("train")[rows].argsort(stable=True)]
    result: list[Tensor] = []
    for index in rows.split(BATCH):
        batch = dataset.batch("train", index).to(model.device)
        z = model.posterior(batch.x, context=batch.context, generator=generator)
        if mode:
            x = model.decode_mode(z, batch.context)
        else:
            x = model.decode(z, batch.context, generator=generator)
        result += rows_of(x) if sequences else list(x.cpu().unbind(0))
    return result
