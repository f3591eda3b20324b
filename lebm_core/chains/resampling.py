"""Importance resampling: draws of p0 are kept in proportion to their weights; no chain.

Source: Rubin, "Using the SIR algorithm to simulate posterior distributions", Bayesian Statistics 3,
1988. As a sampler of a tilted prior: Aneja et al., NeurIPS 2021, arXiv 2010.02917.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import fits, whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import uniform
from lebm_core.chains.densities import LogDensity, ReferenceDensity, reference_of
from lebm_core.chains.trace import Chain
from lebm_core.errors import UnsupportedEstimate, UsageError

__all__ = ["Resampling", "resample"]

LEAST = 100.0  # effective candidates of a draw: the bias is one in so many
ENOUGH = 10  # effective candidates of each draw from one pool: few draws are copies of another
FIRST = 20_000  # candidates of a pool before the first look: a mode that none met does not show


class Resampling(Configured):
    """Importance resampling from p0: exact up to the effective sample size, which is checked.

    A density that is the same for all n rows has one pool of candidates, which doubles from 20,000
    until 10 n are effective; one that differs from row to row, by class or by context, has
    `candidates` for each. A mode that none of them met is missed, as by any importance sampling.

    Args:
        candidates: draws of p0 for each draw that is kept, at most.

    Raises:
        UsageError: for fewer than 2 candidates.
    """

    adjusted = True

    def __init__(self, candidates: int = 100) -> None:
        self.candidates = whole("candidates", candidates, 2, 10_000_000)

    def __call__(
        self,
        target: LogDensity,
        z: Tensor,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """As many draws as z (n, d) has rows; its values are not used.

        Raises:
            UsageError: for a target that tilts no p0.
            UnsupportedEstimate: where too few of the candidates carry the weight.
        """
        reference = reference_of(target)
        if reference is None:
            raise UsageError(
                "The sampler resampling draws from p0, which this density does not tilt: use "
                "langevin, mala, hmc or tempering."
            )
        n, k = len(z), self.candidates
        if not n:
            return z.clone()
        fits(float(n) * k * max(1, z.shape[1]), "prior.sampler.candidates")
        by_row = bool(getattr(target, "by_row", True))
        size = n * k if by_row else min(n * k, max(FIRST, ENOUGH * n))
        pool = reference.draw(size, generator)
        weights = _log_weights(target, reference, pool, n)
        while len(pool) < n * k and _effective(weights[None]) < max(LEAST, ENOUGH * n):
            more = reference.draw(min(len(pool), n * k - len(pool)), generator)
            pool = torch.cat([pool, more])
            weights = torch.cat([weights, _log_weights(target, reference, more, n)])
        log_weights, wanted = weights[None], max(LEAST, n)
        if by_row:  # drawn candidate by candidate, kept row by row
            pool = pool.view(k, n, -1).transpose(0, 1).flatten(0, 1)
            log_weights, wanted = weights.view(k, n).T, LEAST
        effective = _effective(log_weights)
        if not effective >= wanted:
            raise UnsupportedEstimate(
                f"Resampling {log_weights.shape[1]:,} draws of p0 rests on {effective:.1f} "
                f"effective ones, and {wanted:.0f} are needed: give more prior.sampler.candidates, "
                "or use tempering or langevin."
            )
        kept = resample(pool, log_weights, generator, 1 if by_row else n)
        if trace is not None:
            trace.effective = effective
            trace.log_prob.append(target(kept).detach().cpu())
        return kept


@torch.no_grad()
def _log_weights(target: LogDensity, reference: ReferenceDensity, z: Tensor, n: int) -> Tensor:
    """log p - log p0 of candidates z (N, d), (N,), n rows at a time as the target has them."""
    tilt = getattr(target, "tilt", None)
    parts = [
        tilt(each) if tilt is not None else target(each) - reference.log_prob(each)
        for each in z.split(n)
    ]
    return torch.cat(parts).double()


def _effective(log_weights: Tensor) -> float:
    """The least effective sample size of weights (groups, k)."""
    w = log_weights.log_softmax(1)
    return float((-(2 * w).logsumexp(1)).exp().nan_to_num(0.0).min())


def resample(
    z: Tensor, log_weights: Tensor, generator: torch.Generator | None, draws: int = 0
) -> Tensor:
    """Systematic resampling within groups, in proportion to weights.

    Args:
        z: (G k, d), group by group.
        log_weights: (G, k).
        generator: source of randomness.
        draws: of each group; 0 for k.
    """
    groups, k = log_weights.shape
    draws = draws or k
    top = log_weights.amax(1, keepdim=True).nan_to_num(neginf=0.0)
    weights = (log_weights - top).exp()
    none = weights.sum(1, keepdim=True) == 0  # a group without a possible draw stays as it is
    weights = torch.where(none, torch.ones_like(weights), weights)
    edges = weights.cumsum(1) / weights.sum(1, keepdim=True)
    start = uniform((groups, 1), edges, generator)
    points = (torch.arange(draws, device=z.device) + start) / draws
    chosen = torch.searchsorted(edges, points).clamp(max=k - 1)
    rows = chosen + k * torch.arange(groups, device=z.device)[:, None]
    return z[rows.flatten()]
