"""Prior rule "exact-likelihood": of a prior whose density is exact, such as a normalizing flow."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import Prior
from lebm_core.base.checks import whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError
from lebm_core.learning.rules import PriorRule, TiltLoss

__all__ = ["Likelihood"]


class Likelihood(Configured, PriorRule):
    """Maximum likelihood of posterior codes, -E log p(z), where log Z is 0 as it stands.

    In data space x may be of few levels, of which a density has no bound; then uniform noise is
    added, and the loss is a bound on the likelihood of the levels (Theis, van den Oord and Bethge,
    ICLR 2016, arXiv 1511.01844, section 3.1).

    Args:
        levels: of each number in [-1, 1], from whose middle noise reaches half a level's width;
            0: no noise is added

    Raises:
        UsageError: for a single level.
    """

    def __init__(self, levels: int = 0) -> None:
        if whole("learning.prior.levels", levels, 0, 1_000_000) == 1:
            raise UsageError("learning.prior.levels = 1 is no number of levels; use 2 or more.")
        self.levels = levels

    def check(self, prior: Prior) -> None:
        if not prior.normalised:
            raise UsageError(
                f'learning.prior.name = "exact-likelihood" needs an exact density, which '
                f"{type(prior).__name__} has not; use density-ratio, short-run or persistent."
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
        if not any(p.requires_grad for p in prior.parameters()):
            return TiltLoss(codes.new_zeros(()), {})
        if self.levels:
            noise = uniform(codes.shape, codes, generator) - 0.5
            codes = codes + 2 / (self.levels - 1) * noise
        loss = -prior.log_prob(codes, None, context).mean()
        return TiltLoss(loss, {"nll_codes": loss.detach()})
