"""How the tilt f learns from posterior codes: short-run chains, persistent chains or density ratio.

Every rule but `NoTilt` minimises a loss whose gradient is, or estimates, that of the likelihood of
the codes: f goes up on them and down on what the prior itself gives. With a prior without
parameters (f = 0) the loss is a constant, and nothing moves.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus

from lebm_core.decoder import device_of, frozen
from lebm_core.ebm_prior import EBMPrior
from lebm_core.errors import UsageError
from lebm_core.inference import Pool
from lebm_core.options import LearningOptions
from lebm_core.prior import Prior
from lebm_core.randomness import uniform

__all__ = ["DensityRatio", "NoTilt", "PersistentChains", "ShortRunChains", "TiltLoss"]


class TiltLoss(NamedTuple):
    """The loss of the prior (a scalar), and figures to log."""

    loss: Tensor
    metrics: dict[str, Tensor | float]


class NoTilt:
    """The tilt learns nothing: a coupled prior's logits are then a classifier of codes, no more."""

    def __init__(self, options: LearningOptions) -> None:
        if options.decoder != "variational" or options.encoder_tilt:
            raise UsageError(
                'learning.tilt = "none" needs learning.decoder = "variational" and '
                "learning.encoder_tilt = 0: nothing else may look at f."
            )

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
    ) -> TiltLoss:
        return TiltLoss(codes.new_zeros(()), {})

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """There is no state."""


class ShortRunChains:
    """Algorithm 1 of Pang et al. 2020: E_prior f - E_posterior f, chains started anew."""

    def __init__(self, options: LearningOptions) -> None:
        if options.chain_init not in ("reference", "data"):
            raise UsageError(
                f'Unknown learning.chain_init "{options.chain_init}": accepted are reference, data.'
            )
        _check_steps(options)
        self.options = options
        self.pool = Pool()

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
    ) -> TiltLoss:
        drawn = self.draw(prior, len(codes), context, generator)
        if self.options.chain_init == "data":
            self.pool.add(codes)
        return _contrast(prior, codes, drawn, context, self.options.energy_l2)

    def draw(
        self, prior: Prior, n: int, context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """n draws of the prior by its chain, (n, d)."""
        with frozen(prior):
            if not isinstance(prior, EBMPrior):
                return prior.sample(n, generator=generator)
            device, start = device_of(prior), None
            if self.options.chain_init == "data":
                start = self.pool.draw(n, device, generator)
            steps = self.options.chain_steps or None
            return prior.sample(n, context=context, generator=generator, start=start, steps=steps)

    def state_dict(self) -> dict[str, Tensor]:
        return self.pool.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pool.load_state_dict(state)


class PersistentChains:
    """Chains that go on across updates, a share of them restarted from p0 (Tieleman 2008)."""

    def __init__(self, options: LearningOptions) -> None:
        _check_steps(options)
        self.options = options
        self.chains: Tensor | None = None

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
    ) -> TiltLoss:
        if context is not None:
            raise UsageError(
                "Persistent chains know no context: learning.tilt = density-ratio or short-run."
            )
        o, n = self.options, min(len(codes), self.options.persistent_chains)
        with frozen(prior):
            if self.chains is None:
                self.chains = prior.draw_reference(o.persistent_chains, generator)
            chains = self.chains.to(codes.device, copy=True)
            rows = uniform((len(chains),), codes, generator).argsort()[:n]  # each at most once
            start = chains[rows]
            fresh = uniform((n, 1), start, generator) < o.restart
            start = torch.where(fresh, prior.draw_reference(n, generator), start)
            if isinstance(prior, EBMPrior):
                steps = o.chain_steps or None
                drawn = prior.sample(n, generator=generator, start=start, steps=steps)
            else:
                drawn = prior.sample(n, generator=generator)
        chains[rows] = drawn
        self.chains = chains
        return _contrast(prior, codes, drawn, context, o.energy_l2)

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.chains is None else {"chains": self.chains}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.chains = state.get("chains")


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


def _check_steps(options: LearningOptions) -> None:
    if options.chain_steps < 0:
        raise UsageError(f"learning.chain_steps must be at least 0, not {options.chain_steps}.")


def _gain(prior: EBMPrior, stage: int, z: Tensor, context: Tensor | None) -> Tensor:
    """What a stage adds to f, (B,), the stages before it at rest."""
    if stage == 0:
        return prior.all_logits(z, context, 1).logsumexp(-1)
    earlier = [tilt for k, tilt in enumerate(prior.tilts) if k < stage]
    with frozen(*earlier):
        f = prior.all_logits(z, context, stage + 1).logsumexp(-1)
        return f - prior.all_logits(z, context, stage).logsumexp(-1)


def _contrast(
    prior: Prior, codes: Tensor, drawn: Tensor, context: Tensor | None, l2: float
) -> TiltLoss:
    posterior = prior.log_tilt(codes, None, context)
    chain = prior.log_tilt(drawn, None, context)
    gap = posterior.mean() - chain.mean()
    loss = -gap + l2 * (posterior.square().mean() + chain.square().mean())
    return TiltLoss(
        loss, {"f_posterior": posterior.mean().detach(), "f_chain": chain.mean().detach()}
    )
