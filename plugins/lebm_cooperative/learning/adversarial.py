"""Rules "joint.adversarial" and "joint.divergence-triangle": the generator is the sampler."""

from __future__ import annotations

from typing import Any, Literal

import torch

from lebm_cooperative.learning.adversaries import (
    check_adversaries,
    collapse_warnings,
    draws_of,
    encoder_entropy,
    evidence,
    log_density,
    neighbour_entropy,
    squared_slope,
)
from lebm_cooperative.learning.checks import check_generator
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.base.checks import at_least, choice
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import Outcome, Rule

__all__ = ["Adversarial", "DivergenceTriangle"]

ENTROPIES = ("variational", "nearest-neighbour", "none")


class Adversarial(Configured, Rule):
    """Adversarial learning of an energy: the generator's draws stand in for those of a chain.

    f goes up on data and down on the draws, as in maximum likelihood with a chain. The generator
    descends KL(p_g || descriptor): it ascends E[f + log p0] of its draws and their entropy.
    Without the entropy its best answer is one point, the descriptor's highest.

    Sources: Kim and Bengio 2016, arXiv 1606.03439 (deep energy models with a generator); Dai et
    al., ICLR 2017, arXiv 1702.01691, and Zhai et al. 2016, arXiv 1611.01799 (its entropy).

    Args:
        entropy: of the draws: "variational", its lower bound by the encoder, E log q(z | g(z)) and
            constants, which the encoder ascends too; "nearest-neighbour", its estimate from the
            distances within a batch, for few dimensions; "none", to see the collapse
        entropy_weight: of the entropy; 1 for KL(p_g || descriptor)
        noise: standard deviation of the noise added to data and draws alike, in units of x: the
            descriptor is then of both with noise, and entropies are finite
        energy_l2: L2 penalty of f on data and draws
        gradient_penalty: weight of half the squared slope |df/dx|^2 on data

    Raises:
        UsageError: for an option that is not possible.
    """

    name = "joint.adversarial"

    def __init__(
        self,
        entropy: Literal["variational", "nearest-neighbour", "none"] = "variational",
        entropy_weight: float = 1.0,
        noise: float = 0.0,
        energy_l2: float = 0.0,
        gradient_penalty: float = 0.0,
    ) -> None:
        choice("learning.entropy", entropy, ENTROPIES)
        for key, value in (
            ("entropy_weight", entropy_weight), ("noise", noise), ("energy_l2", energy_l2),
            ("gradient_penalty", gradient_penalty),
        ):  # fmt: skip
            at_least(f"learning.{key}", value, 0)
        self.entropy, self.entropy_weight, self.noise = entropy, entropy_weight, noise
        self.energy_l2, self.gradient_penalty = energy_l2, gradient_penalty

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: for another family, parts that are learned otherwise, or an encoder where
                none is taught, or none where one is needed.
        """
        own = check_generator(model, self.name)
        check_adversaries(own)
        if self.entropy == "variational" and own.encoder is None:
            raise UsageError(
                'learning.entropy = "variational" needs an encoder: set encoder.name, or use '
                'learning.entropy = "nearest-neighbour".'
            )
        if self.entropy != "variational" and own.encoder is not None:
            raise UsageError(
                f'learning.entropy = "{self.entropy}" teaches no encoder; use encoder.name = "" '
                'and inference.name = "short-run".'
            )

    def prepare(self, model: Any, dataset: Any, seed: int) -> None:
        """As `check`."""
        self.check(model)

    def __call__(
        self,
        model: EnergyGenerator,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        return self.contest(model, self.noisy(batch, generator), generator)

    def noisy(self, batch: Batch, generator: torch.Generator | None) -> Batch:
        """The batch, its x with noise."""
        if not self.noise:
            return batch
        return batch._replace(x=batch.x + self.noise * normal_like(batch.x, generator))

    def contest(
        self, model: EnergyGenerator, batch: Batch, generator: torch.Generator | None
    ) -> Outcome:
        """The losses of the energy and its sampler on a batch, its noise added."""
        descriptor, x, context = model.descriptor, batch.x.flatten(1), batch.context
        given = context if descriptor.context_dim else None
        draws = draws_of(model, len(x), context, self.noise, generator)
        real, drawn = descriptor.fold(x), descriptor.fold(draws.x)
        tilt = contrast(descriptor, real, drawn.detach(), given, self.energy_l2)
        loss, metrics = tilt.loss, dict(tilt.metrics)
        if self.gradient_penalty:
            slope = squared_slope(descriptor, real, given)
            loss = loss + 0.5 * self.gradient_penalty * slope
            metrics["slope"] = slope.detach().sqrt()
        with frozen(descriptor):
            up = log_density(descriptor, draws.x, given).mean()
        losses = {"descriptor": loss, "decoder": -up}
        if self.entropy != "none":
            if self.entropy == "variational":
                encoder = model.need_encoder("The rule joint.adversarial")
                entropy = encoder_entropy(model, encoder, draws, context, self.noise)
            else:
                entropy = neighbour_entropy(draws.x)
            losses["entropy"] = -self.entropy_weight * entropy
            metrics["entropy"] = entropy.detach()
        return Outcome(losses, metrics)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A generator that has collapsed."""
        return collapse_warnings(metrics)


class DivergenceTriangle(Adversarial):
    """The divergence triangle: an energy, a generator and an inference model, without a chain.

    With q(x, z) = data q(z | x), p(x, z) = p(z) p(x | z) and r(x, z) = descriptor(x) q(z | x), it
    is KL(q || p) + KL(p || r) - KL(q || r), descended by generator and encoder and ascended by the
    energy: the evidence bound on data, and all of `Adversarial` with the variational entropy. The
    published code weights that entropy by 0.1 and takes the KL's mean over the dimensions of z.

    Source: Han et al., "Divergence triangle for joint training of generator model, energy-based
    model and inference model", CVPR 2019, arXiv 1812.10907.

    Args:
        entropy_weight: of E log q(z | g(z)), which generator and encoder ascend
        kl_weight: of KL(q(z | x) || p(z)) in the evidence bound
        energy_weight: of E[f + log p0] of the draws, which the generator ascends
        noise: standard deviation of the noise added to data and draws alike, in units of x
        energy_l2: L2 penalty of f on data and draws
        gradient_penalty: weight of half the squared slope |df/dx|^2 on data

    Raises:
        UsageError: for an option that is not possible.
    """

    name = "joint.divergence-triangle"

    def __init__(
        self,
        entropy_weight: float = 1.0,
        kl_weight: float = 1.0,
        energy_weight: float = 1.0,
        noise: float = 0.0,
        energy_l2: float = 0.0,
        gradient_penalty: float = 0.0,
    ) -> None:
        super().__init__("variational", entropy_weight, noise, energy_l2, gradient_penalty)
        at_least("learning.kl_weight", kl_weight, 0)
        at_least("learning.energy_weight", energy_weight, 0)
        self.kl_weight, self.energy_weight = kl_weight, energy_weight

    def __call__(
        self,
        model: EnergyGenerator,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        batch = self.noisy(batch, generator)
        losses, metrics = self.contest(model, batch, generator)
        bound = evidence(model, batch.x, batch.context, generator)
        losses["decoder"] = self.energy_weight * losses["decoder"] + bound.nll
        losses["encoder"] = self.kl_weight * bound.kl
        metrics |= {"reconstruction": bound.nll.detach(), "kl": bound.kl.detach()}
        return Outcome(losses, metrics)
