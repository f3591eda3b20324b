"""Futures drawn from a model, in the coordinates of the recording."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.model import LatentEBM
from lebm_trajectories.dataset import TrajectoryDataset

__all__ = ["futures", "means"]

AT_ONCE = 4_000  # chains: their states fit into the last cache


@torch.no_grad()
def means(
    model: LatentEBM,
    context: Tensor,
    draws: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The mean of p(x | z, past) for `draws` codes of each agent, in its own coordinates.

    Args:
        model: of trajectories.
        context: (n, c).
        draws: codes z ~ p(z | past) of each agent.
        generator: source of all randomness.

    Returns:
        (n, draws, predicted, 2), in the data's unit of length.
    """
    found = []
    for some in context.split(max(1, AT_ONCE // draws)):
        past = some.to(model.device)
        given = past.repeat_interleave(draws, 0)
        z = model.prior.sample(len(given), context=given, generator=generator)
        found.append(model.decode_mode(z, past).cpu().unflatten(0, (len(some), draws)))
    return torch.cat(found)


def futures(
    model: LatentEBM,
    data: TrajectoryDataset,
    split: str,
    rows: Tensor,
    draws: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """As `means`, in the coordinates and the unit of the recording.

    Args:
        model: of trajectories.
        data: whose agents.
        split: of the data.
        rows: which agents, (n,).
        draws: futures of each.
        generator: source of all randomness.
    """
    found = means(model, data.batch(split, rows).context, draws, generator)  # type: ignore[arg-type]
    return data.world(split, found, rows)
