"""Exact log Z and exact draws of a small restricted Boltzmann machine, by all states of one side.

The other side is summed or integrated in closed form, so 2^20 states are the most that are gone
through: 20 hidden units, or as many binary visible ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError
from lebm_core.evidence.estimate import Estimate
from lebm_energies.priors.rbm import RBMPrior

__all__ = ["MOST_UNITS", "can_enumerate", "exact_draws", "exact_log_z", "states"]

MOST_UNITS = 20
CHUNK = 2**14  # states at once


def can_enumerate(prior: RBMPrior) -> bool:
    """Whether one side has few enough units."""
    return _side(prior)[1] <= MOST_UNITS


def states(units: int, first: int = 0, last: int | None = None) -> Tensor:
    """The binary states number first to last - 1 of so many units, (n, units), in float64."""
    numbers = torch.arange(first, 2**units if last is None else last)
    return ((numbers[:, None] >> torch.arange(units)) & 1).double()


@torch.no_grad()
def exact_log_z(prior: RBMPrior) -> Estimate:
    """log Z, exact up to rounding in float64.

    Raises:
        UsageError: where both sides have more than 20 units.
    """
    parts = [values.logsumexp(0) for _, values in _terms(prior)]
    total = torch.stack(parts).logsumexp(0)
    return Estimate(total, torch.zeros_like(total), None, "exact", 2 ** _side(prior)[1])


@torch.no_grad()
def exact_draws(prior: RBMPrior, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n independent draws of p(v), (n, d), without a chain.

    Raises:
        UsageError: where both sides have more than 20 units.
    """
    values = torch.cat([values for _, values in _terms(prior)])
    edges = (values - values.logsumexp(0)).exp().cumsum(0)
    points = uniform((n,), edges, generator) * edges[-1]
    numbers = torch.searchsorted(edges, points).clamp(max=len(edges) - 1)
    side, units = _side(prior)
    drawn = ((numbers.cpu()[:, None] >> torch.arange(units)) & 1).to(prior.weight)
    if side == "visible":
        return drawn
    return prior.units.draw(prior.field(drawn), 1.0, generator)


def _side(prior: RBMPrior) -> tuple[str, int]:
    """The side that is gone through, and its units."""
    if prior.units.discrete and prior.latent_dim < prior.hidden:
        return "visible", prior.latent_dim
    return "hidden", prior.hidden


def _terms(prior: RBMPrior) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of states (n, units), and the log of what each adds to Z, (n,)."""
    side, units = _side(prior)
    if units > MOST_UNITS:
        raise UsageError(
            f"prior.hidden = {prior.hidden} is too large for an exact log Z; use at most "
            f"{MOST_UNITS}, or AIS."
        )
    weight = prior.weight.double()
    visible_bias, hidden_bias = prior.visible_bias.double(), prior.hidden_bias.double()
    for first in range(0, 2**units, CHUNK):
        each = states(units, first, min(first + CHUNK, 2**units)).to(weight.device)
        if side == "visible":
            gain = torch.nn.functional.softplus(hidden_bias + each @ weight) - math.log(2)
            start = prior.reference.log_prob(each)
            yield each, start + each @ visible_bias + gain.sum(-1)
        else:
            field = visible_bias + each @ weight.T
            fair = units * math.log(2)
            yield each, each @ hidden_bias - fair + prior.units.log_mean(field)
