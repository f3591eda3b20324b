"""The density-ratio rule: logistic regression of codes against the reference."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lebm_core.base.modules import frozen
from lebm_core.errors import UsageError
from lebm_core.latent.pool import Pool
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import TiltLoss
from lebm_core.priors.base import Prior
from lebm_core.priors.ebm import EBMPrior

__all__ = ["DensityRatio"]


class DensityRatio:
    """Logistic regression of posterior codes against the reference: no chain, log Z near 0.

    The two sides weigh the same however many samples they have, so the optimum is
    f = log q(z) - log p0(z) with q the aggregate posterior (Sugiyama et al. 2012). With several
    stages, stage k tells the codes from samples of the prior tilted by the stages before it
    (Xiao and Han 2022, arXiv 2209.08909); those stages then rest.
    """

    def __init__(self, options: LearningOptions) -> None:
        if options.reference_samples < 1:
            raise UsageError(
                f"learning.reference_samples must be at least 1, not {options.reference_samples}."
            )
        self.options = options
        self.pool = Pool(options.code_pool)

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
    ) -> TiltLoss:
        if context is None and self.options.code_pool:
            # A batch is a noisy picture of the aggregate posterior, and codes move slowly.
            self.pool.add(codes)
            codes = self.pool.codes if self.pool.codes is not None else codes
        k = self.options.reference_samples
        given = None if context is None else context.repeat_interleave(k, 0)
        if not isinstance(prior, EBMPrior):
            zero = codes.new_zeros(())
            return TiltLoss(zero, {})
        begun = self.options.tilt_start
        share = (progress - begun) / (1 - begun) if begun < 1 else 1.0
        stage = min(max(0, int(share * len(prior.tilts))), len(prior.tilts) - 1)
        with frozen(prior):
            n = k * len(codes)
            if stage == 0:
                drawn = prior.draw_reference(n, generator)
            else:
                drawn = prior.sample(n, context=given, generator=generator, stages=stage)
        posterior = _gain(prior, stage, codes, context)
        reference = _gain(prior, stage, drawn, given)
        loss = softplus(-posterior).mean() + softplus(reference).mean()
        loss = loss + self.options.energy_l2 * (
            posterior.square().mean() + reference.square().mean()
        )
        with torch.no_grad():
            f = posterior if stage == 0 else prior.log_tilt(codes, None, context)
        return TiltLoss(loss, {"f_posterior": f.mean().detach(), "logistic": loss.detach()})

    def state_dict(self) -> dict[str, Tensor]:
        return self.pool.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pool.load_state_dict(state)


def _gain(prior: EBMPrior, stage: int, z: Tensor, context: Tensor | None) -> Tensor:
    """What a stage adds to f, (B,), the stages before it at rest."""
    if stage == 0:
        return prior.all_logits(z, context, 1).logsumexp(-1)
    earlier = [tilt for k, tilt in enumerate(prior.tilts) if k < stage]
    with frozen(*earlier):
        f = prior.all_logits(z, context, stage + 1).logsumexp(-1)
        return f - prior.all_logits(z, context, stage).logsumexp(-1)
