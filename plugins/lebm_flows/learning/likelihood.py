"""Prior rule "exact-likelihood": of a prior whose density is exact, such as a normalizing flow."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import Prior
from lebm_core.base.modules import Configured
from lebm_core.errors import UsageError
from lebm_core.learning.rules import PriorRule, TiltLoss

__all__ = ["Likelihood"]


class Likelihood(Configured, PriorRule):
    """Maximum likelihood of posterior codes, -E log p(z), where log Z is 0 as it stands."""

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
    ) -> TiltLoss:
        self.check(prior)
        if not any(p.requires_grad for p in prior.parameters()):
            return TiltLoss(codes.new_zeros(()), {})
        loss = -prior.log_prob(codes, None, context).mean()
        return TiltLoss(loss, {"nll_codes": loss.detach()})
