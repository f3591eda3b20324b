"""How the tilt f learns from posterior codes: short-run chains, persistent chains or density ratio.

Every rule but `NoTilt` minimises a loss whose gradient is, or estimates, that of the likelihood of
the codes: f goes up on them and down on what the prior itself gives. With a prior without
parameters (f = 0) the loss is a constant, and nothing moves.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.modules import device_of, frozen
from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError
from lebm_core.latent.pool import Pool
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import TiltLoss
from lebm_core.priors.base import Prior
from lebm_core.priors.ebm import EBMPrior

__all__ = ["PersistentChains", "ShortRunChains"]


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


def _check_steps(options: LearningOptions) -> None:
    if options.chain_steps < 0:
        raise UsageError(f"learning.chain_steps must be at least 0, not {options.chain_steps}.")


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
