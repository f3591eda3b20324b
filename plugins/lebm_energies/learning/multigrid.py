"""Prior rule "multigrid": short chains at each size, from the size before."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.chains.samplers import with_steps
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss
from lebm_core.priors.base import Prior
from lebm_energies.priors.multigrid import MultigridPrior

__all__ = ["Multigrid"]


class Multigrid(Configured, PriorRule):
    """E f(data) - E f(chain) at every size, the chain from the enlarged end of the size before.

    Args:
        chain_steps: steps of the chains; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on data and samples
        growing: learn one size after another, each with the same share of the training, those
            before it kept as they are (Zheng, Xie and Li 2021); otherwise all at once (Gao et al.
            2018)

    Raises:
        UsageError: for an option that is not possible.
    """

    takes_context = False

    def __init__(self, chain_steps: int = 0, energy_l2: float = 0.0, growing: bool = False) -> None:
        self.chain_steps = whole("learning.prior.chain_steps", chain_steps)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.energy_l2, self.growing = energy_l2, growing

    def check(self, prior: Prior) -> None:
        if isinstance(prior, MultigridPrior) or not any(
            p.requires_grad for p in prior.parameters()
        ):
            return
        raise UsageError(
            'learning.prior.name = "multigrid" teaches an energy at each of several sizes, and '
            f'{type(prior).__name__} has one: use prior.name = "multigrid".'
        )

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        self.check(prior)
        if not isinstance(prior, MultigridPrior):  # f = 0 has nothing to learn
            return TiltLoss(codes.new_zeros(()), {})
        assert prior.sampler is not None
        sampler = with_steps(prior.sampler, self.chain_steps)
        n, scales = len(codes), prior.scales
        last = len(scales) - 1
        if self.growing:
            last = min(last, int(progress * len(scales)))
        loss, metrics = codes.new_zeros(()), Metrics()
        drawn = scales[0].draw_reference(n, generator)
        for scale, each in enumerate(scales[: last + 1]):
            with frozen(prior):
                drawn = each.sample(n, start=drawn, sampler=sampler, generator=generator)
            if not self.growing or scale == last:
                found = contrast(each, prior.shrunk(codes, scale), drawn, None, self.energy_l2)
                loss, metrics = loss + found.loss, found.metrics
            if scale < last:
                drawn = prior.enlarged(drawn, scale)
        return TiltLoss(loss, metrics)
