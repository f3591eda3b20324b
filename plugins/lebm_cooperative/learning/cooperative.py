"""Rule "joint.cooperative": a descriptor's chain revises what a generator begins."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from lebm_cooperative.learning.checks import check_generator, check_revises, check_runaway
from lebm_cooperative.learning.teachers import TEACHERS, Lesson, bound, inferred, mismatch
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.base.checks import at_least, choice, positive, whole
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.chains.samplers import Langevin, with_steps
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import centre_of
from lebm_core.learning.contrastive import contrast
from lebm_core.learning.rules import Metrics, Outcome, Rule
from lebm_core.priors.base import Prior

__all__ = ["Cooperative", "Revised"]


class Revised(NamedTuple):
    """A batch of the generator's draws before and after the descriptor's chain, as vectors.

    Attributes:
        z: (B, d) codes.
        start: (B, n) g(z).
        end: (B, n) after the chain.
    """

    z: Tensor
    start: Tensor
    end: Tensor


class Cooperative(Configured, Rule):
    """Cooperative learning: the generator begins, the descriptor's chain revises, both learn.

    z is drawn from the prior, g(z) is revised by some steps of the descriptor's sampler, f goes up
    on the data and down on the revised examples, and the generator learns from these, never from
    the data: they are what its draws should have been. With a coupled descriptor F_y and a prior
    with the same classes, all of it is of the class of each example; with a context, of it. F_y do
    then not compare between classes: `classify` is not learned.

    Source: Xie et al., "Cooperative training of descriptor and generator networks", TPAMI 2018,
    arXiv 1609.09408; given a class or an image: Xie et al., "Cooperative training of fast thinking
    initializer and slow thinking solver for conditional learning", TPAMI 2021, arXiv 1902.02812.

    Args:
        teacher: how the generator learns from a revised example: "same-code", as what the z it
            was made of should give, for cold chains, since it loses what a warm one forgets of
            its start; "langevin", where z first moves by a chain on p(z | x); "variational", by
            the evidence bound with the encoder
        chain_steps: steps of the descriptor's chain; 0 for those of descriptor.sampler, by which
            samples are refined
        inference_steps: steps of Langevin dynamics on p(z | x); teacher "langevin"
        inference_step_size: their step size
        kl_weight: weight of KL(q(z | x) || p(z)); teacher "variational"
        noise: standard deviation of the noise added to the data, in their units: data that lie on
            a surface have no density without
        energy_l2: L2 penalty of f on the data and the revised examples
        drift_limit: warn where f(data) - f(revised) exceeds this many nats; stop at ten times it

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        teacher: Literal["same-code", "langevin", "variational"] = "same-code",
        chain_steps: int = 0,
        inference_steps: int = 10,
        inference_step_size: float = 0.1,
        kl_weight: float = 1.0,
        noise: float = 0.0,
        energy_l2: float = 0.0,
        drift_limit: float = 1000.0,
    ) -> None:
        choice("learning.teacher", teacher, TEACHERS)
        whole("learning.chain_steps", chain_steps)
        whole("learning.inference_steps", inference_steps)
        positive("learning.inference_step_size", inference_step_size)
        for key, value in (
            ("kl_weight", kl_weight), ("noise", noise), ("energy_l2", energy_l2),
            ("drift_limit", drift_limit),
        ):  # fmt: skip
            at_least(f"learning.{key}", value, 0)
        self.teacher, self.chain_steps, self.kl_weight = teacher, chain_steps, kl_weight
        self.noise, self.energy_l2, self.drift_limit = noise, energy_l2, drift_limit
        self.inference = Langevin(inference_steps, inference_step_size)

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: for another family, a descriptor that is not drawn from by one chain, a
                prior that would have to be learned, classes of one alone, or no encoder.
        """
        own = check_generator(model, "joint.cooperative")
        check_revises(own)
        if self.teacher == "variational" and own.encoder is None:
            raise UsageError(
                'learning.teacher = "variational" needs an encoder: set encoder.name, or use '
                'learning.teacher = "same-code".'
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
        x, descriptor = batch.x.flatten(1), model.descriptor
        y = _classes(descriptor, batch)
        given = batch.context if descriptor.context_dim else None
        if self.noise:
            # Noise must not leave a box that chains stay in: f would rise where they cannot go.
            x = descriptor.fold(x + self.noise * normal_like(x, generator))
        z, start, end = self.revise(model, len(x), y, batch.context, generator)
        tilt = contrast(descriptor, x, end, given, self.energy_l2, y)
        lesson = Lesson(z, end.view(-1, *model.shape), y, batch.context)
        losses, taught = self.teach(model, lesson, generator)
        with torch.no_grad(), frozen(descriptor, evaluating=True):
            before = descriptor.log_tilt(start, y, given).mean()
        metrics: Metrics = {
            **tilt.metrics, **taught, "f_start": before,
            "refinement": (end - start).square().mean().sqrt(),
        }  # fmt: skip
        return Outcome({**losses, "descriptor": tilt.loss}, metrics)

    @torch.no_grad()
    def revise(
        self,
        model: EnergyGenerator,
        n: int,
        y: Tensor | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Revised:
        """n draws of the generator before and after the descriptor's chain.

        Args:
            model: the two.
            n: how many.
            y: (n,) class ids, for a prior with classes.
            context: (n, c), for parts that are conditioned.
            generator: source of all randomness.
        """
        descriptor = model.descriptor
        z = model.prior.sample(n, y=y, generator=generator)
        # As it learns: a generator with batch statistics has those of this batch.
        start = descriptor.fold(centre_of(model.decoder(z, context)).flatten(1))
        with frozen(descriptor, evaluating=True):
            chain = with_steps(descriptor.sampler, self.chain_steps)  # type: ignore[arg-type]
            given = context if descriptor.context_dim else None
            end = chain(descriptor.target(y, given), start, generator=generator)
        return Revised(z, start, end)

    def teach(
        self, model: EnergyGenerator, lesson: Lesson, generator: torch.Generator | None = None
    ) -> tuple[dict[str, Tensor], Metrics]:
        """The generator's losses by part, and numbers to log."""
        if self.teacher == "variational":
            return bound(model, lesson, self.kl_weight, generator)
        z, metrics = lesson.z, {}
        if self.teacher == "langevin":
            z = inferred(model, lesson, self.inference, generator)
            metrics["code_moved"] = (z - lesson.z).square().mean().sqrt()
        loss = mismatch(model, lesson, z)
        return {"decoder": loss}, {"reconstruction": loss.detach(), **metrics}

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A warning where f runs away from the revised examples.

        Raises:
            DivergenceError: where it has run away, or chains have left the data.
        """
        return check_runaway(metrics, self.drift_limit)


def _classes(descriptor: Prior, batch: Batch) -> Tensor | None:
    """The class of each example of a coupled descriptor, (B,).

    Raises:
        UsageError: where one is not known.
    """
    if not descriptor.n_classes:
        return None
    if batch.y is None or bool((batch.y < 0).any()):
        raise UsageError(
            "The descriptor is coupled to classes, and the class of some examples is not known; "
            'use descriptor.name = "ebm" and prior.name = "gaussian".'
        )
    return batch.y
