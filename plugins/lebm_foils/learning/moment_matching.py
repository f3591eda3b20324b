"""Rule "joint.moment-matching": a generator whose draws have the kernel moments of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lebm_core.base.checks import positive, whole
from lebm_core.base.modules import Configured
from lebm_core.base.statistics import squared_mmd
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import centre_of
from lebm_core.learning.rules import Metrics, Outcome, Rule

__all__ = ["MomentMatching"]

LEAST = 1e-6  # of a squared discrepancy under a root


class MomentMatching(Configured, Rule):
    """The squared maximum mean discrepancy of g(z) to the data: a generator without an adversary.

    The kernel is the mean of Gaussians whose widths are multiples of the median distance between
    two examples of the batch, so that one setting fits data of any scale and dimension.

    Source: Li, Swersky and Zemel, "Generative moment matching networks", ICML 2015, arXiv
    1502.02761.

    Args:
        bandwidths: widths of the kernels, in units of the median distance
        draws: of the generator in a step; 0 for as many as there are examples
        root: the root of the estimate that is never negative, in the place of the unbiased one: as
            published; its gradient does not fall off as the two come near

    Raises:
        UsageError: for an option that is not possible.
    """

    def __init__(
        self,
        bandwidths: Sequence[float] = (0.125, 0.25, 0.5, 1.0, 2.0),
        draws: int = 0,
        root: bool = False,
    ) -> None:
        if isinstance(bandwidths, str) or not isinstance(bandwidths, Sequence) or not bandwidths:
            raise UsageError(
                f"learning.bandwidths = {bandwidths!r} is not possible; use a list of numbers."
            )
        for width in bandwidths:
            positive("learning.bandwidths", width)
        whole("learning.draws", draws)
        if draws == 1:
            raise UsageError("learning.draws = 1 is too small; use at least 2, or 0.")
        self.bandwidths, self.draws, self.root = list(bandwidths), draws, bool(root)

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach.

        Raises:
            UsageError: for a model without a decoder of real numbers, with an encoder, or with a
                prior that would have to be learned.
        """
        if model.observed or not model.latent_dim or not model.decoder.event_shape():
            raise UsageError(
                'learning.name = "joint.moment-matching" teaches a generator of real numbers, such '
                'as model.name = "latent-ebm" with decoder.name = "perceptron".'
            )
        if model.encoder is not None:
            raise UsageError(
                'learning.name = "joint.moment-matching" teaches no encoder; use encoder.name = "" '
                'and inference.name = "short-run".'
            )
        if any(p.requires_grad for p in model.prior.parameters()):
            raise UsageError(
                'learning.name = "joint.moment-matching" teaches no prior; use prior.name = '
                '"gaussian".'
            )

    def prepare(self, model: Any, dataset: Any, seed: int) -> None:
        """As `check`."""
        self.check(model)

    def __call__(
        self,
        model: Any,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        x, context = batch.x.flatten(1), batch.context
        n = self.draws or len(x)
        if context is not None:  # each draw is of an example's context
            context = context[torch.arange(n, device=context.device) % len(context)]
        z = model.prior.draw_reference(n, generator)
        drawn = centre_of(model.decoder(z, context)).flatten(1)
        loss = squared_mmd(drawn, x, self.bandwidths, biased=self.root)
        metrics: Metrics = {"squared_mmd": loss.detach()}
        if self.root:
            loss = (loss + LEAST).sqrt()
        return Outcome({"decoder": loss}, metrics)
