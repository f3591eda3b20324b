"""Prior rule "contrastive-divergence": short chains from the data."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.chains.samplers import with_steps
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import PriorRule, TiltLoss
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted
from lebm_energies.learning.tilted import check_tilted

__all__ = ["ContrastiveDivergence"]


class ContrastiveDivergence(Configured, PriorRule):
    """E f(data) - E f(chain) with chains of k steps from the data themselves, CD-k.

    Quick and biased: f learns to hold the data in place against k steps, and may have modes that
    no chain from the data has met (Hinton, Neural Computation 14, 2002).

    Args:
        chain_steps: k; 0 for the steps of prior.sampler
        energy_l2: L2 penalty of f on data and samples

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(self, chain_steps: int = 1, energy_l2: float = 0.0) -> None:
        self.chain_steps = whole("learning.prior.chain_steps", chain_steps)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.energy_l2 = energy_l2

    def check(self, prior: Prior) -> None:
        check_tilted(prior, "contrastive-divergence")

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        if not isinstance(prior, Tilted):
            return TiltLoss(codes.new_zeros(()), {})
        sampler = None if prior.sampler is None else with_steps(prior.sampler, self.chain_steps)
        with frozen(prior):
            drawn = prior.sample(
                len(codes), context=context, generator=generator, start=codes, sampler=sampler
            )
        return contrast(prior, codes, drawn, context, self.energy_l2)
