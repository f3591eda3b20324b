"""Learning rules: a bound for the decoder, the likelihood for the prior, a whole model's rule."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core import Batch, Codes, Configured, LatentModel, Outcome, Prior, Symbols, TiltLoss
from lebm_core.base.checks import at_least
from lebm_core.base.modules import frozen
from lebm_core.base.randomness import standard_normal, uniform
from lebm_core.learning.contrastive import PersistentChains
from lebm_core.learning.rules import DecoderRule, PriorRule, Rule
from lebm_strange.model import DataEBM


class Importance(Configured, DecoderRule):
    """The importance-weighted bound (Burda et al. 2016, arXiv 1509.00519).

    Args:
        samples: codes drawn for each example.
    """

    learns_labels = False

    def __init__(self, samples: int = 8) -> None:
        at_least("learning.decoder.samples", samples, 1)
        self.samples = samples

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        k = self.samples
        q = model.need_encoder("The importance-weighted rule")(batch.x, batch.context)
        n, d = q.mean.shape
        z = q.mean[:, None] + q.stddev[:, None] * standard_normal((n, k, d), q.mean, generator)
        flat = z.flatten(0, 1)  # example by example
        context = None if batch.context is None else batch.context.repeat_interleave(k, 0)
        with frozen(model.prior):
            log_prior = model.prior.log_prob(flat, None, context)
        log_joint = model.decoder.likelihood(batch.x, batch.context)(flat) + log_prior
        log_q = q.log_prob(z.transpose(0, 1)).T
        weights = log_joint.view(n, k) - log_q
        bound = (weights.logsumexp(1) - math.log(k)).mean()
        share = weights.detach().softmax(1).cumsum(1)
        drawn = uniform((n, 1), share, generator)
        chosen = torch.searchsorted(share, drawn).clamp(max=k - 1)[:, 0]
        codes = z.detach()[torch.arange(n), chosen]
        return Codes(codes, {"decoder": -bound}, {"bound": bound.detach()})


class Likelihood(Configured, PriorRule):
    """Maximum likelihood of posterior codes, for a prior whose density is normalised."""

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        if not prior.normalised:
            return TiltLoss(codes.new_zeros(()), {})
        loss = -prior.log_prob(codes, None, context).mean()
        return TiltLoss(loss, {"code_nll": loss.detach()})


class Contrastive(Configured, Rule):
    """Persistent contrastive divergence of an energy in data space (Tieleman 2008).

    Args:
        chains: how many are kept.
        restart: share of the chains restarted at each update.
        energy_l2: L2 penalty of f on data and samples.
    """

    def __init__(self, chains: int = 256, restart: float = 0.05, energy_l2: float = 0.01) -> None:
        self.chains = PersistentChains(chains, restart, energy_l2=energy_l2)

    def __call__(
        self,
        model: DataEBM,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        found = self.chains(model.prior, batch.x, None, progress, generator)
        return Outcome({"energy": found.loss}, found.metrics)

    def state_dict(self) -> dict[str, Tensor]:
        return self.chains.state_dict()

    def load_state_dict(self, state: dict[str, Tensor], model: DataEBM | None = None) -> None:
        self.chains.load_state_dict(state)
