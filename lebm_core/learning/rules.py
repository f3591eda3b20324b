"""Learning rules: what a training step asks of a rule, and what the rule returns.

A `Rule` teaches a whole model. The rule "two-part" is made of a `DecoderRule`, registered as
"decoder.NAME", and a `PriorRule`, registered as "prior.NAME". Write one by subclassing the
Protocol together with `Configured`, so that its constructor's arguments are the options of its
table in a recipe and members that it does not need have their defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lebm_core.data.dataset import Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.symbol import Symbols
from lebm_core.priors.base import Prior

__all__ = [
    "Codes",
    "DecoderRule",
    "Metrics",
    "Outcome",
    "PriorRule",
    "Rule",
    "TiltLoss",
    "check_one_level",
]

Metrics = dict[str, Tensor | float]


class Outcome(NamedTuple):
    """What a rule returns for a batch.

    Attributes:
        losses: scalars by the part that they teach. Their gradients overlap only where the rule
            means them to, so that their sum is differentiated once.
        metrics: numbers to log.
    """

    losses: dict[str, Tensor]
    metrics: Metrics


class Codes(NamedTuple):
    """What a decoder rule returns for a batch: the codes it used, (B, d) and detached, and losses.

    Attributes:
        z: for the prior rule to learn from.
        losses: scalars by part.
        metrics: numbers to log.
    """

    z: Tensor
    losses: dict[str, Tensor]
    metrics: Metrics


class TiltLoss(NamedTuple):
    """What a prior rule returns for a batch: a scalar loss, and numbers to log."""

    loss: Tensor
    metrics: Metrics


class Rule(Protocol):
    """Teaches a model, batch by batch; registered under a name without a prefix."""

    def __call__(
        self,
        model: Any,
        batch: Batch,
        *,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Outcome:
        """The losses of one batch.

        Args:
            model: in training mode.
            batch: examples.
            progress: share of the training that is done, in [0, 1].
            generator: source of all randomness.
        """
        ...

    def check(self, model: Any) -> None:
        """Refuse a model that the rule cannot teach, before anything is written.

        Raises:
            UsageError: naming the keys that do not go together.
        """

    def prepare(self, model: Any, dataset: Dataset, seed: int) -> None:
        """Get ready for a training; refuse data or a model that the rule cannot learn from."""

    def finish(
        self,
        model: Any,
        dataset: Dataset,
        generator: torch.Generator | None = None,
        log: Callable[[str], None] = print,
        share: float = 1.0,
    ) -> None:
        """Learn what is learned after training.

        Args:
            model: trained.
            dataset: its training split.
            generator: source of all randomness.
            log: takes a line of progress now and then.
            share: of the training's steps that its time allowed; so much of the steps here is made.
        """

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A message for each thing that is going wrong; DivergenceError where it must stop."""
        return []

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor], model: Any = None) -> None:
        """Restore what `state_dict` returned."""


class DecoderRule(Protocol):
    """Teaches decoder and encoder, and draws the codes that the prior learns from.

    Attributes:
        needs_encoder: whether it teaches models with an encoder alone.
        uses_tilt: whether f takes part in the losses or in the draws of the codes.
        learns_labels: whether it adds `symbol_terms` for a coupled prior.
        learns_inference: whether it teaches a `LearnedInference`.
        warmup: share of the training before the codes are regularised; classes begin after it.
    """

    needs_encoder: bool = False
    uses_tilt: bool = True
    learns_labels: bool = True
    learns_inference: bool = False
    warmup: float = 0.0

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        """The codes of one batch, and the losses of decoder and encoder.

        Args:
            model: in training mode.
            batch: examples.
            symbols: what a coupled prior learns about classes; see `symbol_terms`.
            progress: share of the training that is done, in [0, 1].
            generator: source of all randomness.
        """
        ...

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """A message for each thing that is going wrong, from the metrics of some steps."""
        return []


class PriorRule(Protocol):
    """Teaches the tilt f from posterior codes.

    Attributes:
        trains: whether it does; False for a rule that leaves f as it is.
        takes_context: whether it can teach a prior that is conditioned on a context.
    """

    trains: bool = True
    takes_context: bool = True

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        """The loss of the prior on codes of one batch.

        Args:
            prior: to be taught; one that is not `Tilted` has nothing to learn.
            codes: (B, d), detached.
            context: (B, c) of a conditioned prior, or None.
            progress: share of the prior's own training that is done, in [0, 1].
            generator: source of all randomness.
            y: classes (B,), -1 where not known, or None; most rules leave them to the symbols.

        Returns:
            The loss; "f_posterior" and "f_chain" among its metrics are watched for drift.
        """
        ...

    def check(self, prior: Prior) -> None:
        """Refuse a prior that the rule cannot teach, before anything is written.

        Raises:
            UsageError: naming the keys that do not go together.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs: chains, pools of codes."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""


def check_one_level(prior: Prior, rule: str) -> None:
    """Refuse a prior that only a rule of its own teaches, such as all of its levels of noise.

    Raises:
        UsageError: naming the rule that teaches all.
    """
    if prior.taught_by and prior.taught_by != rule:
        raise UsageError(
            f'learning.prior.name = "{rule}" would teach {type(prior).__name__} in part alone; use '
            f'"{prior.taught_by}".'
        )
    if prior.n_levels > 1:
        raise UsageError(
            f'learning.prior.name = "{rule}" teaches no levels of noise, which '
            f'{type(prior).__name__} has; use "recovery-likelihood".'
        )
