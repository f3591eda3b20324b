"""Prior rules "density-ratio" and "adaptive-density-ratio": logistic regression, no chain."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.latent.pool import CodeBuffer
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss, check_one_level
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import LearnedReference, Tilted

__all__ = ["AdaptiveDensityRatio", "DensityRatio"]

FOUND_NOTHING = 2 * math.log(2)  # the logistic loss of a classifier that cannot tell the two apart
RECENT = 0.3  # share of a stage's updates, its last, by which it is judged


class DensityRatio(Configured, PriorRule):
    """Logistic regression of posterior codes against the reference: no chain, log Z near 0.

    The two sides weigh the same however many samples they have, so the optimum is
    f = log q(z) - log p0(z) with q the aggregate posterior (Sugiyama et al. 2012). With several
    stages, stage k tells the codes from samples of the prior tilted by the stages before it
    (Xiao and Han 2022, arXiv 2209.08909), which are then trained no further. A reference that is
    itself learned is so first, by likelihood (noise-contrastive estimation, Gutmann and Hyvärinen
    2010, with a flow for the noise).

    Args:
        reference_samples: reference samples per code
        code_pool: recent codes that it learns from in addition to the batch's own; 0 for none
        energy_l2: L2 penalty of f on posterior and reference samples

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self, reference_samples: int = 4, code_pool: int = 1024, energy_l2: float = 0.0
    ) -> None:
        whole("learning.prior.reference_samples", reference_samples, 1, 10_000)
        whole("learning.prior.code_pool", code_pool)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.reference_samples, self.energy_l2 = reference_samples, energy_l2
        self.code_pool = code_pool
        self.pool = CodeBuffer(code_pool)

    def check(self, prior: Prior) -> None:
        check_one_level(prior, "density-ratio")

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        if context is None and self.code_pool:
            # A batch is a noisy sample of the aggregate posterior, and codes move slowly.
            self.pool.add(codes)
            codes = self.pool.codes if self.pool.codes is not None else codes
        if isinstance(prior, LearnedReference):
            share = prior.reference_share
            if progress < share:
                loss = prior.reference_loss(codes)
                return TiltLoss(loss, {"reference": loss.detach()})
            progress = (progress - share) / max(1e-9, 1 - share)
        k = self.reference_samples
        repeated = None if context is None else context.repeat_interleave(k, 0)
        if not isinstance(prior, Tilted):
            return TiltLoss(codes.new_zeros(()), {})
        stage = self.stage_of(prior, progress)
        with frozen(prior):
            n = k * len(codes)
            if stage == 0:
                drawn = prior.draw_reference(n, generator)
            else:
                drawn = prior.sample(n, context=repeated, generator=generator, stages=stage)
        posterior = prior.log_ratio(stage, codes, context)
        reference = prior.log_ratio(stage, drawn, repeated)
        loss = softplus(-posterior).mean() + softplus(reference).mean()
        penalty = posterior.square().mean() + reference.square().mean()
        loss = loss + self.energy_l2 * penalty
        with torch.no_grad():
            f = posterior if stage == 0 else prior.log_tilt(codes, None, context)
        return TiltLoss(loss, {"f_posterior": f.mean().detach(), "logistic": loss.detach()})

    def stage_of(self, prior: Tilted, progress: float) -> int:
        """The stage that is learned at `progress`: all have the same share."""
        return min(max(0, int(progress * prior.n_stages)), prior.n_stages - 1)

    def state_dict(self) -> dict[str, Tensor]:
        return self.pool.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pool.load_state_dict(state)


class AdaptiveDensityRatio(DensityRatio):
    """Density ratio in stages, each against samples of the prior as the stages before have it.

    Each stage has `stage_steps` updates. It is judged by its last ones, on samples that it has not
    learned from: where its logistic loss is within `tolerance` of that of a coin, the prior's
    samples cannot be told from the codes, the stage is undone, and the learning ends; later stages
    stay 0 (Xiao and Han, NeurIPS 2022, arXiv 2209.08909). `prior.stages` is the most there may be.

    Args:
        reference_samples: reference samples per code
        code_pool: recent codes that it learns from in addition to the batch's own; 0 for none
        energy_l2: L2 penalty of f on posterior and reference samples
        stage_steps: updates of each stage
        tolerance: nats of the logistic loss; an upper bound on twice the Jensen-Shannon divergence
            that is let pass

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        reference_samples: int = 4,
        code_pool: int = 1024,
        energy_l2: float = 0.0,
        stage_steps: int = 1000,
        tolerance: float = 0.02,
    ) -> None:
        super().__init__(reference_samples, code_pool, energy_l2)
        self.stage_steps = whole("learning.prior.stage_steps", stage_steps, 1)
        at_least("learning.prior.tolerance", tolerance, 0)
        self.tolerance = tolerance
        self.stage, self.updates, self.ended = 0, 0, False
        self.losses: list[float] = []

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
        if self.updates == self.stage_steps:
            self._judge(prior)
        metrics: Metrics = {"stage": codes.new_tensor(float(self.stage))}
        if self.ended:
            return TiltLoss(codes.new_zeros(()), metrics)
        loss, more = super().__call__(prior, codes, context, progress, generator)
        if "logistic" in more:  # not while a reference is learned
            self.updates += 1
            if self.updates > (1 - RECENT) * self.stage_steps:
                self.losses.append(float(more["logistic"]))
        return TiltLoss(loss, {**more, **metrics})

    def stage_of(self, prior: Tilted, progress: float) -> int:
        return self.stage

    def _judge(self, prior: Tilted) -> None:
        """End the learning where the stage found nothing, or begin the next one."""
        gain = FOUND_NOTHING - sum(self.losses) / max(1, len(self.losses))
        self.updates, self.losses = 0, []
        if gain < self.tolerance and self.stage:
            self.ended = True
            prior.forget(self.stage)
        elif self.stage == prior.n_stages - 1:
            self.ended = True
        else:
            self.stage += 1

    def state_dict(self) -> dict[str, Tensor]:
        numbers = [self.stage, self.updates, int(self.ended), sum(self.losses), len(self.losses)]
        return {**super().state_dict(), "stages": torch.tensor(numbers, dtype=torch.float64)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        state = dict(state)
        stage, updates, ended, total, n = state.pop("stages").tolist()
        self.stage, self.updates, self.ended = int(stage), int(updates), bool(ended)
        self.losses = [total / n] * int(n) if n else []
        super().load_state_dict(state)
