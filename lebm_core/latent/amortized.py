"""Inference by the encoder, alone or followed by a posterior chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.latent.chains import PosteriorChain
from lebm_core.latent.inference import LatentParts
from lebm_core.registry.parts import Part, make, table_of

__all__ = ["Amortized", "AmortizedRefined"]

SAMPLER = Part("samplers", "langevin", {"steps": 10, "step_size": 0.1})


class Amortized(Configured):
    """z ~ q(z | x), or its mean; no chain.

    Args:
        mean: return the mean of q instead of a draw.
    """

    needs_encoder = True

    def __init__(self, mean: bool = False) -> None:
        self.mean = mean

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        return self.several(model, batch, 1, generator)[0]

    def several(
        self, model: LatentParts, batch: Batch, n: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """n codes of each example, (n, B, d), for which the encoder runs once."""
        encoder = model.need_encoder("Amortized")
        with torch.no_grad(), frozen(encoder, evaluating=True):
            q = encoder(batch.x, batch.context)
            mean: Tensor = q.mean.expand(n, *q.mean.shape)
            return mean if self.mean else mean + q.stddev * normal_like(mean, generator)

    def point(self) -> Amortized:
        return Amortized(mean=True)

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing is kept between batches."""


class AmortizedRefined(PosteriorChain):
    """A draw of q(z | x), then a short chain on the true posterior.

    Args:
        sampler: of the posterior chain, a `Sampler`, or its table.
    """

    needs_encoder = True

    def __init__(
        self, sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None
    ) -> None:
        super().__init__(make(SAMPLER, sampler))
        self.remember(sampler=table_of(SAMPLER, self.sampler))

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        start = Amortized()(model, batch, generator=generator)
        return self.run(model, batch, start, generator, trace)
