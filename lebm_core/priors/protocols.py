"""What a prior may be beside a density: tilted, coupled to classes, fitted, with a learned p0."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain

__all__ = ["Coupled", "DrawsUnknown", "Fitted", "LearnedReference", "Tilted"]


@runtime_checkable
class Tilted(Protocol):
    """A prior whose tilt f is learned by a prior rule: a network, in one stage or several.

    Attributes:
        n_stages: tilts that are learned one after another; f is their sum.
    """

    n_stages: int

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z), (B,)."""

    def logits(self, z: Tensor, context: Tensor | None = None, stages: int | None = None) -> Tensor:
        """F(z), (B, C), of all stages or of the first so many; f = logsumexp F."""

    def log_ratio(self, stage: int, z: Tensor, context: Tensor | None = None) -> Tensor:
        """What a stage adds to f, (B,); the stages before it take no gradient."""

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights of f, in place."""

    def forget(self, stage: int) -> None:
        """Make a stage add nothing to f, in place."""

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
        sampler: Sampler | None = None,
        trace: Chain | None = None,
        stages: int | None = None,
    ) -> Tensor:
        """n draws by a chain, from `start` where it is given; see `EBMPrior.sample`."""


@runtime_checkable
class LearnedReference(Protocol):
    """A prior whose p0 is itself learned, by likelihood, before the tilt is learned against it.

    Attributes:
        reference_share: share of the prior's training in which p0 alone is learned.
    """

    reference_share: float

    def reference_loss(self, codes: Tensor) -> Tensor:
        """The mean of -log p0 over codes (N, d), a scalar with gradients for its weights."""


@runtime_checkable
class Coupled(Protocol):
    """A prior with classes, p(y|z) = softmax F(z)."""

    n_classes: int

    def logits(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """F(z), (B, C)."""


@runtime_checkable
class DrawsUnknown(Protocol):
    """A prior that draws unknown coordinates by a way of its own, no one chain on its density."""

    def draw_unknown(
        self,
        z: Tensor,
        known: Tensor,
        *,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z (B, d) with its unknown coordinates drawn given the known ones (B, d)."""


@runtime_checkable
class Fitted(Protocol):
    """A prior that is fitted to posterior codes after training."""

    fitted_to: str

    def fit(self, codes: Tensor, seed: int = 0) -> None:
        """Fit to codes (N, d)."""
