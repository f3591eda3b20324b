"""Prior rule "fast-persistent": persistent chains that fast weights drive on (FPCD)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, share
from lebm_core.learning.contrastive import PersistentChains, contrast
from lebm_core.learning.rules import TiltLoss
from lebm_core.priors.base import Prior

__all__ = ["FastPersistentChains"]

FAST = "fast."  # of the keys of its state


class FastPersistentChains(PersistentChains):
    """Persistent chains of the weights plus fast weights, which the chains alone see.

    Fast weights learn at a rate of their own and decay, so that for a while f falls where the
    chains are and they move on: mixing does not slow down with the learning rate of f (Tieleman and
    Hinton, ICML 2009). All chains, not only those that moved, are held against the data.

    Args:
        chains: how many are kept
        fast_lr: learning rate of the fast weights, by plain gradient steps
        fast_decay: factor of the fast weights at each update
        restart: share of the chains restarted from p0 at each update
        chain_steps: steps of the chains in each update; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on data and chains

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        chains: int = 100,
        fast_lr: float = 0.05,
        fast_decay: float = 0.95,
        restart: float = 0.0,
        chain_steps: int = 1,
        energy_l2: float = 0.0,
    ) -> None:
        super().__init__(chains, restart, chain_steps, energy_l2)
        at_least("learning.prior.fast_lr", fast_lr, 0)
        share("learning.prior.fast_decay", fast_decay)
        self.fast_lr, self.fast_decay = fast_lr, fast_decay
        self.fast: dict[str, Tensor] = {}

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        weights = {name: p for name, p in prior.named_parameters() if p.requires_grad}
        if not self.fast or any(self.fast[k].device != p.device for k, p in weights.items()):
            self.fast = {k: torch.zeros_like(p) for k, p in weights.items()}
        with _moved(weights, self.fast):
            super().__call__(prior, codes, context, progress, generator, y)
        chains = codes if self.states is None else self.states
        found = contrast(prior, codes, chains, context, self.energy_l2)
        if weights and found.loss.requires_grad:
            slopes = torch.autograd.grad(
                found.loss, list(weights.values()), retain_graph=True, allow_unused=True
            )
            for name, slope in zip(weights, slopes, strict=True):
                self.fast[name] = self.fast_decay * self.fast[name]
                if slope is not None:
                    self.fast[name] -= self.fast_lr * slope
        norm = sum((each.square().sum() for each in self.fast.values()), codes.new_zeros(()))
        return TiltLoss(found.loss, {**found.metrics, "fast_norm": norm.sqrt()})

    def state_dict(self) -> dict[str, Tensor]:
        return {**super().state_dict(), **{FAST + k: v for k, v in self.fast.items()}}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        super().load_state_dict(state)
        self.fast = {k.removeprefix(FAST): v for k, v in state.items() if k.startswith(FAST)}


@contextmanager
def _moved(weights: dict[str, torch.nn.Parameter], by: dict[str, Tensor]) -> Iterator[None]:
    """Within the scope the weights are others; graphs that hold the weights do not notice."""
    before = {name: p.data for name, p in weights.items()}
    for name, p in weights.items():
        p.data = p.data + by[name]
    try:
        yield
    finally:
        for name, p in weights.items():
            p.data = before[name]
