"""Inference by posterior chains: short-run, or persistent for each training example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor

from lebm_core.base.modules import Configured, frozen
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.latent.inference import LatentParts, posterior_target
from lebm_core.latent.pool import CodeBuffer
from lebm_core.registry.parts import Part, make, table_of

__all__ = ["Persistent", "PosteriorChain", "ShortRun"]

SAMPLER = Part("samplers", "langevin", {"steps": 20, "step_size": 0.1})


class PosteriorChain(Configured):
    """What the chain-based methods share.

    Args:
        sampler: of the posterior chain.
    """

    needs_encoder = False

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def run(
        self,
        model: LatentParts,
        batch: Batch,
        z: Tensor,
        generator: torch.Generator | None,
        trace: Chain | None,
    ) -> Tensor:
        """The states after the chain on the posterior, from z (B, d)."""
        if z.shape[1] == 0:
            return z
        # The likelihood hoists what z does not touch only where gradients are to be taken.
        with torch.enable_grad(), frozen(model.decoder, model.prior, evaluating=True):
            target = posterior_target(model, batch)
            if target.fold is not None:  # a start off a bounded support would stay there
                z = target.fold(z)
            return self.sampler(target, z, generator=generator, trace=trace)

    def point(self) -> Self:
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing is kept between batches."""


class ShortRun(PosteriorChain):
    """A short chain, restarted at every batch (Nijkamp et al., ECCV 2020, arXiv 1912.01909).

    Args:
        sampler: of the posterior chain, a `Sampler`, or its table.
        init: where chains start: "reference" (draws of p0) or "data" (codes of earlier batches).
    """

    def __init__(
        self,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        init: Literal["reference", "data"] = "reference",
    ) -> None:
        super().__init__(make(SAMPLER, sampler))
        self.remember(sampler=table_of(SAMPLER, self.sampler))
        if init not in ("reference", "data"):
            raise UsageError(
                f'inference.init = "{init}" is unknown; use reference or data.'
                + did_you_mean(init, ("reference", "data"))
            )
        self.buffer = CodeBuffer() if init == "data" else None

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        n = len(batch.x)
        start = None if self.buffer is None else self.buffer.draw(n, model.device, generator)
        if start is None:
            start = model.prior.draw_reference(n, generator)
        z = self.run(model, batch, start, generator, trace)
        if self.buffer is not None and model.training:
            self.buffer.add(z)
        return z

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.buffer is None else self.buffer.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if self.buffer is not None:
            self.buffer.load_state_dict(state)


class Persistent(PosteriorChain):
    """A chain per training example that goes on where it stopped (alternating back-propagation).

    Examples without row numbers (`Batch.rows` is None), and all while the model is in evaluation
    mode, start from the reference.

    Args:
        sampler: of the posterior chain, a `Sampler`, or its table.
    """

    def __init__(
        self, sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None
    ) -> None:
        super().__init__(make(SAMPLER, sampler))
        self.remember(sampler=table_of(SAMPLER, self.sampler))
        self.chains: dict[int, Tensor] = {}

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        start = model.prior.draw_reference(len(batch.x), generator)
        rows = batch.rows.tolist() if batch.rows is not None and model.training else []
        for i, row in enumerate(rows):
            if row in self.chains:
                start[i] = self.chains[row].to(start.device)
        z = self.run(model, batch, start, generator, trace)
        for i, row in enumerate(rows):
            self.chains[row] = z[i].cpu()
        return z

    def state_dict(self) -> dict[str, Tensor]:
        if not self.chains:
            return {}
        rows = sorted(self.chains)
        return {"rows": torch.tensor(rows), "z": torch.stack([self.chains[r] for r in rows])}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        rows = state["rows"].tolist() if state else []
        self.chains = dict(zip(rows, state["z"].cpu().unbind(0) if state else [], strict=True))
