"""The rule "data-space": a prior over x itself learns from examples in the place of codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import torch

from lebm_core.base.checks import at_least
from lebm_core.base.modules import Configured
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.refit import Refit
from lebm_core.learning.rules import Codes, DecoderRule, PriorRule
from lebm_core.learning.symbol import Symbols, symbol_terms
from lebm_core.learning.two_part import NO_REFIT, NO_SYMBOLS, PRIOR, TwoPart
from lebm_core.priors.protocols import Coupled
from lebm_core.registry.parts import Table

__all__ = ["DataSpace"]


class DataSpace(TwoPart):
    """Teaches the model "ebm": every prior rule, on x with a little noise in the place of codes.

    Args:
        prior: the prior rule, registered as "prior.NAME"
        symbols: what a coupled prior learns about classes
        refit: how the prior is refitted after training
        noise: standard deviation of the noise added to x, in its units: data that lie on a surface
            have no density without
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
        properties: Sequence[str] = (),
        drift_limit: float = 5.0,
    ) -> None:
        at_least("learning.noise", noise, 0)
        super().__init__(
            _Examples(noise), prior, symbols, refit, properties, drift_limit=drift_limit
        )

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
        super().check(model)


class _Examples(Configured, DecoderRule):
    """Gives x, with noise, to the prior rule; there is nothing else to learn but classes."""

    uses_tilt = False

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        z = batch.x.flatten(1)
        if self.noise:
            # Noise must not leave a box that chains stay in: f would rise where they cannot go.
            z = model.prior.fold(z + self.noise * normal_like(z, generator))
        if not model.prior.n_classes:
            return Codes(z, {}, {})
        logits = cast(Coupled, model.prior).logits(z, batch.context)
        loss, metrics = symbol_terms(model, batch, logits, symbols, generator)
        return Codes(z, {"labels": loss}, metrics)
