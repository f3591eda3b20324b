"""Draw futures from a model, in the coordinates of the recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lebm_core.control.base import Control
from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_trajectories.data.dataset import TrajectoryDataset

__all__ = ["MOST_DRAWS", "controlled_means", "futures", "means", "representatives"]

AT_ONCE = 4_000  # chains whose states fit into the last cache
LLOYD_STEPS = 10
MOST_DRAWS = 100_000  # futures of an agent: all its draws are held at once


@torch.no_grad()
def means(
    model: LatentEBM,
    context: Tensor,
    draws: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Compute the mean of p(x | z, past) for `draws` codes of each agent, in its own coordinates.

    Args:
        model: of trajectories.
        context: (n, c).
        draws: codes z ~ p(z | past) of each agent.
        generator: source of all randomness.

    Returns:
        (n, draws, predicted, 2), in the data's unit of length.
    """
    paths = []
    for part in context.split(max(1, AT_ONCE // draws)):
        past = part.to(model.device)
        repeated = past.repeat_interleave(draws, 0)
        z = model.prior.sample(len(repeated), context=repeated, generator=generator)
        paths.append(model.decode_mode(z, past).cpu().unflatten(0, (len(part), draws)))
    return torch.cat(paths)


@torch.no_grad()
def controlled_means(
    model: LatentEBM,
    context: Tensor,
    draws: int,
    controls: Callable[[Tensor], Sequence[Control]],
    generator: torch.Generator | None = None,
) -> Tensor:
    """Compute the mean of p(x | z, past) for `draws` codes of each agent, drawn under controls.

    Args:
        model: of trajectories.
        context: (n, c).
        draws: of each agent, tempered together.
        controls: makes the controls of some agents, of their rows of `context`.
        generator: source of all randomness.

    Returns:
        (n, draws, predicted, 2), in each agent's own coordinates and the data's unit of length.
    """
    paths = []
    for rows in torch.arange(len(context)).split(max(1, AT_ONCE // draws)):
        past = context[rows].to(model.device)
        prior = model.controlled(controls(rows))
        z = prior.smc(draws, context=past, generator=generator).z
        paths.append(model.decode_mode(z, past).cpu().unflatten(0, (len(rows), draws)))
    return torch.cat(paths)


def futures(
    model: LatentEBM,
    data: TrajectoryDataset,
    split: str,
    rows: Tensor,
    draws: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Compute `means` in the coordinates and the unit of the recording.

    Args:
        model: of trajectories.
        data: whose agents.
        split: of the data.
        rows: which agents, (n,).
        draws: futures of each.
        generator: source of all randomness.
    """
    context = data.batch(split, rows).context
    assert context is not None
    return data.world(split, means(model, context, draws, generator), rows)


def representatives(paths: Tensor, k: int, generator: torch.Generator | None = None) -> Tensor:
    """Choose k paths that represent many: the means of their clusters, agent by agent.

    k-means by Lloyd's steps from k-means++ seeds (Arthur and Vassilvitskii 2007). Independent draws
    repeat each other; a few that are chosen together cover more of the same distribution, as in
    the test-time sampling of Mangalam et al. 2021, arXiv 2012.01526.

    Args:
        paths: (n, m, T, 2), m drawn futures of each agent.
        k: at most m.
        generator: source of all randomness.

    Returns:
        (n, k, T, 2).

    Raises:
        UsageError: for fewer paths than k.
    """
    n, m = paths.shape[:2]
    if not 1 <= k <= m:
        raise UsageError(f"{k} representatives of {m} futures are not possible.")
    points = paths.flatten(2)
    rows = torch.arange(n)
    centres = points[rows, torch.randint(m, (n,), generator=generator)][:, None]
    for _ in range(k - 1):
        away = _square_distances(points, centres).amin(2) + 1e-12  # of equal points, any
        centres = torch.cat([centres, points[rows, _one_of(away, generator)][:, None]], 1)
    for _ in range(LLOYD_STEPS):
        nearest = _square_distances(points, centres).argmin(2)
        member = nn.functional.one_hot(nearest, k).to(points.dtype).mT  # (n, k, m)
        size = member.sum(2, keepdim=True)
        centres = torch.where(size > 0, member @ points / size.clamp(min=1), centres)
    chosen: Tensor = centres.unflatten(2, paths.shape[2:])
    return chosen


def _square_distances(points: Tensor, centres: Tensor) -> Tensor:
    """Compute squared distances of points (n, m, D) and centres (n, k, D): (n, m, k)."""
    distances: Tensor = torch.cdist(points, centres)
    return distances.square()


def _one_of(weights: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw an index of each row of weights (n, m), in proportion to them: (n,)."""
    index: Tensor = torch.multinomial(weights, 1, generator=generator)
    return index.squeeze(1)
