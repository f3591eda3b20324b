"""Prior rule "diffusion-amortized": short chains that start where a denoising model draws."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import Prior
from lebm_core.base.checks import within
from lebm_core.base.randomness import uniform
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import ShortRunChains
from lebm_core.learning.rules import TiltLoss
from lebm_diffusion.priors.amortized import AmortizedPrior

__all__ = ["AmortizedChains"]


class AmortizedChains(ShortRunChains):
    """E_prior f - E_posterior f, and the denoising model that the chains start at (Yu et al. 2023).

    The denoising model learns from posterior codes, the ends of posterior chains. Some chains start
    at the reference, so that f is taught between the codes too.

    Args:
        from_reference: share of the chains that start at p0
        chain_steps: steps of the chains; 0 for those of prior.sampler
        energy_l2: L2 penalty of f on posterior and prior samples

    Raises:
        UsageError: for an option that is not possible.
    """

    takes_context = False

    def __init__(
        self, from_reference: float = 0.5, chain_steps: int = 0, energy_l2: float = 0.0
    ) -> None:
        super().__init__(chain_steps=chain_steps, energy_l2=energy_l2)
        within("learning.prior.from_reference", from_reference, 0, 1)
        self.from_reference = from_reference

    def check(self, prior: Prior) -> None:
        taught = any(p.requires_grad for p in prior.parameters())
        if taught and not isinstance(prior, AmortizedPrior):
            raise UsageError(
                'learning.prior.name = "diffusion-amortized" teaches the start of chains, which '
                f'{type(prior).__name__} has none of; use prior.name = "diffusion-amortized", or '
                'learning.prior.name = "short-run".'
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
        found = super().__call__(prior, codes, context, progress, generator, y)
        if not isinstance(prior, AmortizedPrior):
            return found
        start = prior.start_loss(codes, generator)
        return TiltLoss(found.loss + start, {**found.metrics, "start": start.detach()})

    def start(self, prior: Prior, n: int, generator: torch.Generator | None) -> Tensor | None:
        """Where n chains start, (n, d)."""
        if not isinstance(prior, AmortizedPrior):
            return None
        drawn, plain = prior.draw_start(n, generator), prior.draw_reference(n, generator)
        at_reference = uniform((n, 1), drawn, generator) < self.from_reference
        return torch.where(at_reference, plain, drawn)
