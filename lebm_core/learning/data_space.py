"""The rule "data-space": a prior over x itself learns from examples in the place of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, whole
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import normal_like
from lebm_core.chains.samplers import with_steps
from lebm_core.data.dataset import Batch
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.refit import Refit
from lebm_core.learning.rules import Codes, DecoderRule, PriorRule
from lebm_core.learning.symbol import Symbols, symbol_terms
from lebm_core.learning.two_part import NO_REFIT, NO_SYMBOLS, PRIOR, TwoPart
from lebm_core.priors.conditional import draw_unknown
from lebm_core.priors.protocols import Coupled
from lebm_core.registry.parts import Table

__all__ = ["DataSpace"]

SPREAD = 10  # times the standard deviation of the data, or a part of it, that chains may have


class DataSpace(TwoPart):
    """Teaches the model "ebm": every prior rule, on x with a little noise in the place of codes.

    Args:
        prior: the prior rule, registered as "prior.NAME"
        symbols: what a coupled prior learns about classes
        refit: how the prior is refitted after training
        noise: standard deviation of the noise added to x, in its units: data that lie on a surface
            have no density without
        recovery_steps: steps of the prior's sampler that fill in the missing values (NaN) of an
            example, given its others, before it is learned from; 0: examples must be whole
        properties: properties of the examples that heads are fitted to after training, so that
            samples can be controlled by them
        drift_limit: warn where f(data) - f(chain) exceeds this many nats; stop at ten times it

    Raises:
        UsageError: for an unknown rule, or options that are not possible.
    """

    def __init__(
        self,
        prior: Annotated[PriorRule | Mapping[str, Any] | str | None, PRIOR] = None,
        symbols: Annotated[Symbols, Table()] = NO_SYMBOLS,
        refit: Annotated[Refit, Table()] = NO_REFIT,
        noise: float = 0.0,
        recovery_steps: int = 0,
        properties: Sequence[str] = (),
        drift_limit: float = 5.0,
    ) -> None:
        at_least("learning.noise", noise, 0)
        whole("learning.recovery_steps", recovery_steps)
        self.noise = noise
        examples = _Examples(noise, recovery_steps)
        super().__init__(examples, prior, symbols, refit, properties, drift_limit=drift_limit)

    def check(self, model: LatentModel) -> None:
        """Refuse a model that these rules cannot teach.

        Raises:
            UsageError: for a model with a code, and as the rule "two-part".
        """
        if not model.observed:
            raise UsageError(
                'learning.name = "data-space" teaches the model "ebm" (model.name), which has no '
                'code; use learning.name = "two-part" for this one.'
            )
        if model.prior.discrete and self.noise:
            raise UsageError(
                f"learning.noise = {self.noise:g} is not possible: x is of zeros and ones; use 0."
            )
        super().check(model)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """As the rule "two-part".

        Raises:
            DivergenceError: where chains spread far more than the data, or far less, too.
        """
        spread = metrics.get("chain_spread")
        if spread is not None and not 1 / SPREAD < spread < SPREAD:
            raise DivergenceError(
                f"The chains have left the data: their standard deviation is {spread:.3g} times "
                "that of the data. Lower training.parts.prior.lr, or use a smaller "
                "prior.sampler.step_size."
            )
        return super().warnings(metrics)


class _Examples(Configured, DecoderRule):
    """Gives x, with noise, to the prior rule; there is nothing else to learn but classes."""

    uses_tilt = False

    def __init__(self, noise: float, recovery_steps: int) -> None:
        self.noise, self.recovery_steps = noise, recovery_steps

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        z = self._whole(model, batch, generator)
        if self.noise:
            # Noise must not leave a box that chains stay in: f would rise where they cannot go.
            z = model.prior.fold(z + self.noise * normal_like(z, generator))
        if not model.prior.n_classes:
            return Codes(z, {}, {})
        logits = cast(Coupled, model.prior).logits(z, batch.context)
        loss, metrics = symbol_terms(model, batch, logits, symbols, generator)
        return Codes(z, {"labels": loss}, metrics)

    def _whole(self, model: LatentModel, batch: Batch, generator: torch.Generator | None) -> Tensor:
        """x (B, d), its missing values drawn given the others: recover, then learn.

        Source: Xie et al., "Learning descriptor networks for 3D shape synthesis and analysis", CVPR
        2018, arXiv 1804.00586 (section 5, incomplete examples).

        Raises:
            UsageError: for missing values where they are not to be filled in.
        """
        x: Tensor = batch.x.flatten(1)
        known = ~x.isnan()
        if bool(known.all()):
            return x
        prior = model.prior
        if not self.recovery_steps or prior.sampler is None or prior.n_levels > 1:
            raise UsageError(
                "x has missing values (NaN): set learning.recovery_steps, for instance 20, and a "
                "prior with a sampler on x itself, to fill them in while learning."
            )
        sampler = with_steps(prior.sampler, self.recovery_steps)
        return draw_unknown(prior, x, known, sampler, context=batch.context, generator=generator)
