"""How z given x is drawn: the contract, and the posterior that chains follow.

Every method is a callable (model, batch) -> z (B, d), detached, and follows the posterior
log p(x|z) + f(z) + log p0(z), up to a constant, with dropout off and the parameters untouched.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from lebm_core.chains.densities import Total
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.priors.base import Prior

__all__ = ["Inference", "LatentParts", "LearnedInference", "posterior_target"]


class LatentParts(Protocol):
    """What inference sees of a model; every `LatentModel` has it."""

    prior: Prior
    decoder: Decoder
    encoder: Encoder | None
    training: bool

    @property
    def device(self) -> torch.device: ...

    def need_encoder(self, who: str) -> Encoder: ...


@runtime_checkable
class Inference(Protocol):
    """Draws z given x.

    Attributes:
        options: the constructor's arguments, see `Configured`.
        needs_encoder: whether it works for models with an encoder alone.
    """

    options: dict[str, Any]
    needs_encoder: bool

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """z ~ p(z | x), (B, d)."""

    def point(self) -> Inference:
        """The inference of one representative z for each x: the mean where there is one."""

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs."""

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take back what `state_dict` gave."""


class LearnedInference(nn.Module, ABC):
    """An inference with a network of its own: a part of the model that is trained and saved.

    A decoder rule whose `learns_inference` is True takes its loss; `options` may have a
    "latent_dim", which the prior gives. Name it before other bases: its `state_dict` is a module's.
    """

    @abstractmethod
    def loss(
        self, model: LatentParts, batch: Batch, z: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """What it learns from the codes z (B, d) that it gave; a scalar."""


def posterior_target(model: LatentParts, batch: Batch) -> Total:
    """z -> log p(x|z) + f(z) + log p0(z), (B,): the log posterior up to a constant."""
    prior = model.prior.target(None, batch.context)
    likelihood = model.decoder.likelihood(batch.x, batch.context)
    target = Total(likelihood, prior, label="posterior chain")
    target.capturable = model.decoder.capturable and getattr(prior, "capturable", False)
    return target
