"""How z given x is drawn: short-run chains, persistent chains, an encoder, or both.

Every method is a callable (model, batch) -> z (B, d), detached, and follows the posterior
log p(x|z) + f(z) + log p0(z), up to a constant, with dropout off and the parameters untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.densities import LogDensity, Total
from lebm_core.chains.langevin import langevin
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.latent.pool import Pool

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = [
    "Inference",
    "Persistent",
    "ShortRun",
    "posterior_target",
]


class Inference(Protocol):
    """Draws z given x. `state_dict` holds what a resumed training needs."""

    def __call__(
        self,
        model: LatentEBM,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """z ~ p(z | x), (B, d)."""

    def state_dict(self) -> dict[str, Tensor]: ...

    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


def posterior_target(model: LatentEBM, batch: Batch) -> LogDensity:
    """z -> log p(x|z) + f(z) + log p0(z), (B,): the log posterior up to a constant."""
    return Total(
        model.decoder.likelihood(batch.x, batch.context), model.prior.target(None, batch.context)
    )


class _Chains:
    """What the chain-based methods share."""

    def __init__(self, steps: int, step_size: float, noise: float) -> None:
        self.steps, self.step_size, self.noise = steps, step_size, noise

    def run(
        self,
        model: LatentEBM,
        batch: Batch,
        z: Tensor,
        generator: torch.Generator | None,
        trace: Chain | None,
    ) -> Tensor:
        if z.shape[1] == 0:
            return z
        # The likelihood hoists what z does not touch only where gradients are to be taken.
        with torch.enable_grad(), frozen(model.decoder, model.prior, evaluating=True):
            return langevin(
                posterior_target(model, batch),
                z,
                steps=self.steps,
                step_size=self.step_size,
                noise=self.noise,
                generator=generator,
                trace=trace,
                fold=model.prior.fold,
                name="posterior chain",
            )

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing is kept between batches."""


class ShortRun(_Chains):
    """A short chain, started anew at every batch (Nijkamp et al., ECCV 2020, arXiv 1912.01909).

    Args:
        steps: K.
        step_size: s.
        noise: tau.
        init: "reference" (draws of p0) or "data" (codes of earlier batches).
    """

    def __init__(
        self, steps: int = 20, step_size: float = 0.1, noise: float = 1.0, init: str = "reference"
    ) -> None:
        super().__init__(steps, step_size, noise)
        if init not in ("reference", "data"):
            raise UsageError(
                f'Unknown inference.init "{init}": accepted are reference, data.'
                + did_you_mean(init, ("reference", "data"))
            )
        self.pool = Pool() if init == "data" else None

    def __call__(
        self,
        model: LatentEBM,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        n = len(batch.x)
        start = None if self.pool is None else self.pool.draw(n, model.device, generator)
        if start is None:
            start = model.prior.draw_reference(n, generator)
        z = self.run(model, batch, start, generator, trace)
        if self.pool is not None and model.training:
            self.pool.add(z)
        return z

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.pool is None else self.pool.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if self.pool is not None:
            self.pool.load_state_dict(state)


class Persistent(_Chains):
    """A chain per training example that goes on where it stopped (alternating back-propagation).

    Examples without row numbers (`Batch.rows` is None), and all while the model is in evaluation
    mode, start from the reference.
    """

    def __init__(self, steps: int = 20, step_size: float = 0.1, noise: float = 1.0) -> None:
        super().__init__(steps, step_size, noise)
        self.chains: dict[int, Tensor] = {}

    def __call__(
        self,
        model: LatentEBM,
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
