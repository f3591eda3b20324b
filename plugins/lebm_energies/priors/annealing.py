"""Annealed importance sampling of a restricted Boltzmann machine, from both ends.

From p0 the estimate of log Z is low on average, from draws of the model itself it is high, so that
the truth is between the two up to their errors. The path scales all weights, so that each density
on it is a machine with Gibbs steps of its own.

Sources: Neal, Statistics and Computing 11, 2001; Salakhutdinov and Murray, ICML 2008; from the
other end Burda, Grosse and Salakhutdinov, AISTATS 2015, arXiv 1412.8566.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.evidence.estimate import Estimate, from_log_weights

__all__ = ["Annealed", "annealed_draws", "from_model", "from_reference", "high_log_z"]


class Annealed(Protocol):
    """A density p0(v) exp(path(v, 1)) with Gibbs steps at every share of the way from p0."""

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws of p0, (n, d)."""

    def path(self, v: Tensor, share: float) -> Tensor:
        """log of p0's tilt at a share of the way, (B,); 0 at share 0."""

    def gibbs_step(
        self, v: Tensor, generator: torch.Generator | None = None, share: float = 1.0
    ) -> Tensor:
        """The states (B, d) after a step that leaves p0 exp(path(., share)) as it is."""


@torch.no_grad()
def from_reference(
    prior: Annealed, n: int, temperatures: int, generator: torch.Generator | None = None
) -> Tensor:
    """Log weights (n,) of chains from p0 to the model; the log of their mean estimates log Z."""
    return annealed_draws(prior, n, temperatures, generator)[1]


@torch.no_grad()
def annealed_draws(
    prior: Annealed, n: int, temperatures: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Where n chains from p0 end, (n, d), and their log weights (n,).

    Args:
        prior: the machine.
        n: chains.
        temperatures: densities on the way, the last of them the model.
        generator: source of randomness.
    """
    whole("temperatures", temperatures, 1)
    v = prior.draw_reference(n, generator)
    log_weights = v.new_zeros(n, dtype=torch.float64)
    for k in range(temperatures):
        low, high = k / temperatures, (k + 1) / temperatures
        log_weights += prior.path(v, high).double() - prior.path(v, low).double()
        v = prior.gibbs_step(v, generator, high)
    return v, log_weights


@torch.no_grad()
def from_model(
    prior: Annealed, v: Tensor, temperatures: int, generator: torch.Generator | None = None
) -> Tensor:
    """Log weights (n,) of chains from draws v (n, d) of the model to p0; their mean is of 1/Z."""
    whole("temperatures", temperatures, 1)
    log_weights = v.new_zeros(len(v), dtype=torch.float64)
    for k in range(temperatures, 0, -1):
        low, high = (k - 1) / temperatures, k / temperatures
        log_weights += prior.path(v, low).double() - prior.path(v, high).double()
        v = prior.gibbs_step(v, generator, low)
    return log_weights


def high_log_z(
    prior: Annealed, v: Tensor, temperatures: int, generator: torch.Generator | None = None
) -> Estimate:
    """log Z by chains from draws v (n, d) of the model to p0; on average not below the truth."""
    found = from_log_weights(from_model(prior, v, temperatures, generator), "ais")
    return replace(found, value=-found.value)
