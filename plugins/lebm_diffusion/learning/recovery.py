"""Prior rule "recovery-likelihood": energies at levels of noise, by short conditional chains.

Sources: Gao et al., ICLR 2021, arXiv 2012.08125 (eq. 6 and Algorithm 1); of latent codes: Yu et
al., ICML 2022, arXiv 2206.05895.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core import Prior, Sampler
from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like, randint
from lebm_core.chains.samplers import with_steps
from lebm_core.errors import UsageError
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss
from lebm_diffusion.priors.recovery import DiffusionPrior

__all__ = ["RecoveryLikelihood", "check_levels", "level_classes"]


class RecoveryLikelihood(Configured, PriorRule):
    """Maximise E log p(z_t | z_{t+1}), each code at a level t drawn at random.

    z_t and z_{t+1} are a code with noise and with more of it; f(., t) goes up at z_t and down where
    a chain given z_{t+1} ends. With classes, p(y|z_t) at t > 0 learns from p(y|z_0) of the same
    code, whose mean given z_t it is.

    Args:
        versions: noisy versions of each code in an update
        chain_steps: steps of the chains; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on noisy codes and on the ends of chains

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(self, versions: int = 2, chain_steps: int = 0, energy_l2: float = 0.0) -> None:
        self.versions = whole("learning.prior.versions", versions, 1, 10_000)
        self.chain_steps = whole("learning.prior.chain_steps", chain_steps)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.energy_l2 = energy_l2

    def check(self, prior: Prior) -> None:
        check_levels(prior, "recovery-likelihood")

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
        codes = codes.repeat_interleave(self.versions, 0)
        if context is not None:
            context = context.repeat_interleave(self.versions, 0)
        assert prior.sampler is not None
        sampler: Sampler = with_steps(prior.sampler, self.chain_steps)
        with torch.no_grad(), frozen(prior):
            level = randint(prior.n_levels, len(codes), codes, generator)
            now, noisier = prior.noised(codes, level, generator)
            drawn = prior.denoise(
                noisier, level, sampler=sampler, start=normal_like(codes, generator),
                context=context, generator=generator,
            )  # fmt: skip
        logits = prior.level_logits(level, now, context)
        at_codes = logits.logsumexp(-1)
        at_chains = prior.level_logits(level, drawn, context).logsumexp(-1)
        loss = at_chains.mean() - at_codes.mean()
        metrics: Metrics = {
            "f_posterior": at_codes.mean().detach(),
            "f_chain": at_chains.mean().detach(),
        }
        if self.energy_l2:
            penalty = at_codes.square().mean() + at_chains.square().mean()
            loss = loss + self.energy_l2 * penalty
        if prior.n_classes:
            distilled = level_classes(prior, codes, context, level, logits, None)
            loss, metrics["level_classes"] = loss + distilled, distilled.detach()
        return TiltLoss(loss, metrics)


def check_levels(prior: Prior, rule: str) -> None:
    """Refuse a prior without levels of noise.

    Raises:
        UsageError: naming priors with levels.
    """
    if isinstance(prior, DiffusionPrior) or not any(p.requires_grad for p in prior.parameters()):
        return
    raise UsageError(
        f'learning.prior.name = "{rule}" teaches levels of noise, which {type(prior).__name__} has '
        'not: use prior.name = "diffusion", or "coupled-diffusion".'
    )


def level_classes(
    prior: DiffusionPrior,
    codes: Tensor,
    context: Tensor | None,
    level: Tensor,
    logits: Tensor,
    y: Tensor | None,
) -> Tensor:
    """The cross-entropy of p(y|z_t) to the class, or to p(y|z_0) of the same code where t > 0.

    Args:
        prior: with classes.
        codes: z_0, (B, d).
        context: (B, c), or None.
        level: t, (B,).
        logits: F(z_t, t), (B, C).
        y: classes (B,), -1 where not known; None: no class is.
    """
    if y is None:
        y = torch.full_like(level, -1)
    loss = cross_entropy(logits, y, ignore_index=-1, reduction="sum")
    taught = (y < 0) & (level > 0)
    if bool(taught.any()):
        with torch.no_grad():
            p = prior.logits(codes, context).softmax(-1)
        loss = loss + cross_entropy(logits[taught], p[taught], reduction="sum")
    return loss / len(codes)
