"""Inference by the encoder, alone or followed by a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.latent.inference import _Chains

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["Amortized", "AmortizedRefined"]


class Amortized:
    """z ~ q(z | x), or its mean; no chain.

    Args:
        mean: return the mean of q instead of a draw.
    """

    def __init__(self, mean: bool = False) -> None:
        self.mean = mean

    def __call__(
        self,
        model: LatentEBM,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        with torch.no_grad(), frozen(model.need_encoder("Amortized"), evaluating=True):
            q: Any = model.need_encoder("Amortized")(batch.x, batch.context)
            if self.mean:
                return q.mean  # type: ignore[no-any-return]
            return q.mean + q.stddev * normal_like(q.mean, generator)  # type: ignore[no-any-return]

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing is kept between batches."""


class AmortizedRefined(_Chains):
    """A draw of q(z | x), then a short chain on the true posterior."""

    def __init__(self, steps: int = 10, step_size: float = 0.1, noise: float = 1.0) -> None:
        super().__init__(steps, step_size, noise)

    def __call__(
        self,
        model: LatentEBM,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        start = Amortized()(model, batch, generator=generator)
        return self.run(model, batch, start, generator, trace)
