"""Rule "joint.variational-energy": a VAE and an energy of the pair (x, z), adversaries."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lebm_cooperative.learning.adversaries import (
    check_adversaries,
    collapse_warnings,
    draws_of,
    evidence,
    log_density,
    squared_slope,
)
from lebm_cooperative.models.pair_energy import PairEnergyGenerator
from lebm_core.base.checks import at_least
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import Outcome, Rule

__all__ = ["VariationalEnergy"]


class VariationalEnergy(Configured, Rule):
    """Joint training of a variational autoencoder and an energy r(x, z) ~ exp(f(x, z)) p0(x, z).

    With q(x, z) = data q(z | x) and p(x, z) = p(z) p(x | z) it is KL(q || p) + KL(p || r) -
    KL(q || r), descended by decoder and encoder and ascended by the energy. The first is the
    evidence bound. In the others f goes up on pairs of an example and its code and down on pairs
    of a code and its draw; the decoder makes its pairs likelier under r, and the encoder makes its
    own less likely, as the discriminator of a bidirectional GAN would have it. The entropy of
    p(x, z) does not depend on the mean of p(x | z), so that no entropy of a generator is needed.

    Source: Han et al., "Joint training of variational auto-encoder and latent energy-based model",
    CVPR 2020, arXiv 2006.06059.

    Args:
        kl_weight: of KL(q(z | x) || p(z)) in the evidence bound
        energy_weight: of KL(p || r), which the decoder descends; 0 leaves a VAE
        encoder_weight: of -KL(q || r), which the encoder descends; 0 leaves it the bound alone
        noise: standard deviation of the noise added to data and draws alike, in units of x
        energy_l2: L2 penalty of f on pairs of both kinds
        gradient_penalty: weight of half the squared slope of f on pairs of the data

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        kl_weight: float = 1.0,
        energy_weight: float = 1.0,
        encoder_weight: float = 1.0,
        noise: float = 0.0,
        energy_l2: float = 0.0,
        gradient_penalty: float = 0.0,
    ) -> None:
        for key, value in (
            ("kl_weight", kl_weight), ("energy_weight", energy_weight),
            ("encoder_weight", encoder_weight), ("noise", noise), ("energy_l2", energy_l2),
            ("gradient_penalty", gradient_penalty),
        ):  # fmt: skip
            at_least(f"learning.{key}", value, 0)
        self.kl_weight, self.energy_weight, self.noise = kl_weight, energy_weight, noise
        self.encoder_weight = encoder_weight
        self.energy_l2, self.gradient_penalty = energy_l2, gradient_penalty

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: for another family, or parts that are learned otherwise.
        """
        if not isinstance(model, PairEnergyGenerator):
            raise UsageError(
                'learning.name = "joint.variational-energy" teaches the model "pair-energy-'
                f'generator" (model.name), and this is a {type(model).__name__}.'
            )
        check_adversaries(model)

    def prepare(self, model: Any, dataset: Any, seed: int) -> None:
        """As `check`."""
        self.check(model)

    def __call__(
        self,
        model: PairEnergyGenerator,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        descriptor, x, context = model.descriptor, batch.x, batch.context
        if self.noise:
            x = x + self.noise * normal_like(x, generator)
        bound = evidence(model, x, context, generator)
        draws = draws_of(model, len(x), context, self.noise, generator)
        given = context if descriptor.context_dim else None
        ours, theirs = _pairs(x.flatten(1), bound.z), _pairs(draws.x, draws.z)
        tilt = contrast(
            descriptor, descriptor.fold(ours.detach()), descriptor.fold(theirs.detach()), given,
            self.energy_l2,
        )  # fmt: skip
        loss, metrics = tilt.loss, dict(tilt.metrics)
        if self.gradient_penalty:
            slope = squared_slope(descriptor, descriptor.fold(ours.detach()), given)
            loss = loss + 0.5 * self.gradient_penalty * slope
            metrics["slope"] = slope.detach().sqrt()
        with frozen(descriptor):
            up = log_density(descriptor, theirs, given).mean()
            down = log_density(descriptor, ours, given).mean()
        # KL(q || p) holds -H(q), and -KL(q || r) holds H(q), of the spread of q(z | x).
        against = down + bound.q.entropy().mean()
        losses = {
            "decoder": bound.nll - self.energy_weight * up,
            "encoder": self.kl_weight * bound.kl + self.encoder_weight * against,
            "descriptor": loss,
        }
        metrics |= {"reconstruction": bound.nll.detach(), "kl": bound.kl.detach()}
        return Outcome(losses, metrics)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """Pairs that have collapsed."""
        return collapse_warnings(metrics)


def _pairs(x: Tensor, z: Tensor) -> Tensor:
    return torch.cat([x, z], 1)
