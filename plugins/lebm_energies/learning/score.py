"""Prior rule "score-matching": the gradient of log p learned by denoising, without a chain."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import positive
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import normal_like
from lebm_core.errors import UsageError
from lebm_core.learning.rules import PriorRule, TiltLoss
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted
from lebm_energies.learning.tilted import check_tilted

__all__ = ["ScoreMatching"]


class ScoreMatching(Configured, PriorRule):
    """Denoising score matching: grad log p at x + sigma eps is to be -eps / sigma.

    What is learned is the density of the data with that noise. The share of far modes is told by
    no gradient near them, so it is learned badly (Vincent, Neural Computation 23, 2011).

    Args:
        sigma: standard deviation of the noise, in units of x

    Raises:
        UsageError: for a sigma that is not positive.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        positive("learning.prior.sigma", sigma)
        self.sigma = sigma

    def check(self, prior: Prior) -> None:
        if prior.discrete:
            raise UsageError(
                'learning.prior.name = "score-matching" needs x of real numbers, and the prior is '
                'of discrete ones; use "contrastive-divergence" or "persistent".'
            )
        check_tilted(prior, "score-matching")

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
        eps = normal_like(codes, generator)
        noisy = (codes + self.sigma * eps).requires_grad_()
        value = prior.log_prob(noisy, None, context)
        (score,) = torch.autograd.grad(value.sum(), noisy, create_graph=True)
        loss = 0.5 * (self.sigma * score + eps).square().sum(-1).mean()
        return TiltLoss(loss, {"score_error": loss.detach()})
