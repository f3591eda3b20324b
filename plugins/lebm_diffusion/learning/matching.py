"""Prior rule "level-score-matching": denoising score matching at every level of noise.

Sources: Vincent, Neural Computation 23, 2011; Song and Ermon, NeurIPS 2019, arXiv 1907.05600; of
energies: Salimans and Ho, "Should EBMs model the energy or the score?", 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import Prior
from lebm_core.base.checks import positive, share
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import normal_like, randint
from lebm_core.errors import UsageError
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss
from lebm_core.priors.tilt_target import LogSumExp
from lebm_diffusion.learning.recovery import check_levels, level_classes
from lebm_diffusion.priors.recovery import DiffusionPrior

__all__ = ["LevelScoreMatching"]


class LevelScoreMatching(Configured, PriorRule):
    """Match grad log p_t(z_t) to the noise that was added, each code at a level t drawn at random.

    No chain is run. What is learned at level 0 is the density of the codes with a noise of `sigma`;
    unlike with one level of noise, the shares of far modes are told by the noisier levels, where
    the modes overlap. The error of a level counts by 1 / kept_t^2, as that of the velocity does
    (Salimans and Ho, ICLR 2022, arXiv 2202.00512): without, the noisiest levels, whose errors are
    small numbers and decide where a draw goes, are hardly learned. Where the class y of a code is
    known, grad F_y is matched in the place of grad f, and p(y|z_t) learns y at every level: draws
    of a class follow F_y. Where it is not, p(y|z_t) at t > 0 learns from p(y|z_0).

    Args:
        sigma: standard deviation of the noise at level 0, between 0 and 1; the noise that a draw
            is freed of at its end, "noise" of the prior, is the same or 0

    Raises:
        UsageError: for a sigma that is not possible.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        share("learning.prior.sigma", sigma)
        positive("learning.prior.sigma", sigma)
        self.sigma = sigma

    def check(self, prior: Prior) -> None:
        check_levels(prior, "level-score-matching")
        noise = prior.noise if isinstance(prior, DiffusionPrior) else 0.0
        if noise not in (0.0, self.sigma):
            raise UsageError(
                f"prior.noise = {noise} frees a draw of other noise than learning.prior.sigma = "
                f"{self.sigma}, which level 0 has: give both the same, or prior.noise = 0."
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
        if not isinstance(prior, DiffusionPrior):  # f = 0 has nothing to learn
            return TiltLoss(codes.new_zeros(()), {})
        level = randint(prior.n_levels, len(codes), codes, generator)
        kept = prior.kept[level][:, None]
        spread = (1 - kept.square() * (1 - self.sigma**2)).sqrt()
        eps = normal_like(codes, generator)
        noisy = (kept * codes + spread * eps).requires_grad_()
        logits = prior.level_logits(level, noisy, context)
        f = LogSumExp(y).value(logits)  # F_y where y is known
        (slope,) = torch.autograd.grad(f.sum(), noisy, create_graph=True)
        error = (spread * (slope - noisy) + eps).square()
        loss = 0.5 * (error.sum(-1) / kept.square().squeeze(-1)).mean()
        metrics: Metrics = {"score_error": error.mean().detach()}  # 1 where nothing is known
        if prior.n_classes:
            classes = level_classes(prior, codes, context, level, logits, y)
            loss, metrics["level_classes"] = loss + classes, classes.detach()
        return TiltLoss(loss, metrics)
