"""Prior rules "short-run" and "persistent": the likelihood's gradient from chains of the prior.

f goes up on posterior codes and down on what the prior's chains give. With a prior without
parameters (f = 0) the loss is a constant.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, choice, whole, within
from lebm_core.base.modules import Configured, device_of, frozen
from lebm_core.base.randomness import uniform
from lebm_core.chains.samplers import Sampler, with_steps
from lebm_core.errors import UsageError
from lebm_core.latent.pool import CodeBuffer
from lebm_core.learning.rules import Metrics, PriorRule, TiltLoss, check_one_level
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted

__all__ = ["PersistentChains", "ShortRunChains", "contrast"]


class ShortRunChains(Configured, PriorRule):
    """E_prior f - E_posterior f with a new chain for each batch (Pang et al. 2020, Algorithm 1).

    Args:
        chain_init: where chains start: reference, or data (posterior codes of earlier batches)
        chain_steps: steps of the chains; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on posterior and prior samples

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        chain_init: Literal["reference", "data"] = "reference",
        chain_steps: int = 0,
        energy_l2: float = 0.0,
    ) -> None:
        choice("learning.prior.chain_init", chain_init, ("reference", "data"))
        whole("learning.prior.chain_steps", chain_steps)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.chain_init, self.chain_steps, self.energy_l2 = chain_init, chain_steps, energy_l2
        self.pool = CodeBuffer()

    def check(self, prior: Prior) -> None:
        check_one_level(prior, "short-run")

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        drawn = self.draw(prior, len(codes), context, generator)
        if self.chain_init == "data":
            self.pool.add(codes)
        return contrast(prior, codes, drawn, context, self.energy_l2)

    def draw(
        self, prior: Prior, n: int, context: Tensor | None, generator: torch.Generator | None
    ) -> Tensor:
        """n draws of the prior by its chain, (n, d)."""
        with frozen(prior):
            if not isinstance(prior, Tilted):
                return prior.sample(n, generator=generator)
            start = self.start(prior, n, generator)
            sampler = _sampler(prior, self.chain_steps)
            return prior.sample(
                n, context=context, generator=generator, start=start, sampler=sampler
            )

    def start(self, prior: Prior, n: int, generator: torch.Generator | None) -> Tensor | None:
        """Where n chains start, (n, d); None for where the prior starts its own."""
        if self.chain_init == "reference":
            return None
        return self.pool.draw(n, device_of(prior), generator)

    def state_dict(self) -> dict[str, Tensor]:
        return self.pool.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.pool.load_state_dict(state)


class PersistentChains(Configured, PriorRule):
    """E_prior f - E_posterior f with chains that continue across batches (Tieleman 2008).

    Args:
        chains: how many are kept
        restart: share of the chains restarted from p0 at each update
        chain_steps: steps of the chains in each update; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on posterior and prior samples

    Raises:
        UsageError: for an option that is not possible.
    """

    takes_context = False

    def __init__(
        self,
        chains: int = 1000,
        restart: float = 0.05,
        chain_steps: int = 0,
        energy_l2: float = 0.0,
    ) -> None:
        whole("learning.prior.chains", chains, 1, 10_000_000)
        within("learning.prior.restart", restart, 0, 1)
        whole("learning.prior.chain_steps", chain_steps)
        at_least("learning.prior.energy_l2", energy_l2, 0)
        self.chains, self.restart = chains, restart
        self.chain_steps, self.energy_l2 = chain_steps, energy_l2
        self.states: Tensor | None = None  # of the chains, (chains, d)

    def check(self, prior: Prior) -> None:
        check_one_level(prior, "persistent")

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        if context is not None:
            raise UsageError(
                'learning.prior.name = "persistent" takes no context; use "density-ratio" or '
                '"short-run".'
            )
        n = min(len(codes), self.chains)
        with frozen(prior):
            if self.states is None:
                self.states = prior.draw_reference(self.chains, generator)
            states = self.states.to(codes.device, copy=True)
            rows = uniform((len(states),), codes, generator).argsort()[:n]  # without repetition
            start = states[rows]
            fresh = uniform((n, 1), start, generator) < self.restart
            start = torch.where(fresh, prior.draw_reference(n, generator), start)
            if isinstance(prior, Tilted):
                sampler = _sampler(prior, self.chain_steps)
                drawn = prior.sample(n, generator=generator, start=start, sampler=sampler)
            else:
                drawn = prior.sample(n, generator=generator)
        states[rows] = drawn
        self.states = states
        return contrast(prior, codes, drawn, context, self.energy_l2)

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.states is None else {"chains": self.states}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.states = state.get("chains")


def _sampler(prior: Prior, steps: int) -> Sampler | None:
    """The prior's sampler with other steps; None for its own."""
    return with_steps(prior.sampler, steps) if steps and prior.sampler is not None else None


def contrast(
    prior: Prior,
    codes: Tensor,
    drawn: Tensor,
    context: Tensor | None,
    l2: float,
    y: Tensor | None = None,
) -> TiltLoss:
    """The loss mean f(drawn) - mean f(codes), of F_y given y; with an L2 penalty of f on both."""
    posterior = prior.log_tilt(codes, y, context)
    chain = prior.log_tilt(drawn, y, context)
    gap = posterior.mean() - chain.mean()
    loss = -gap + l2 * (posterior.square().mean() + chain.square().mean())
    metrics: Metrics = {
        "f_posterior": posterior.mean().detach(),
        "f_chain": chain.mean().detach(),
    }
    if len(drawn) > 1:
        spread = codes.std(0).mean().clamp(min=1e-12)
        metrics["chain_spread"] = drawn.std(0).mean() / spread
    return TiltLoss(loss, metrics)
