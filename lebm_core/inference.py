"""How z given x is drawn: short-run chains, persistent chains, an encoder, or both.

Every method is a callable (model, batch) -> z (B, d), detached, and follows the posterior
log p(x|z) + f(z) + log p0(z), up to a constant, with dropout off and the parameters untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from lebm_core.data import Batch
from lebm_core.decoder import frozen
from lebm_core.dynamics import Chain, LogDensity, Total, langevin
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.options import InferenceOptions
from lebm_core.randomness import normal_like, randint

if TYPE_CHECKING:
    from lebm_core.model import LatentEBM

__all__ = [
    "Amortized",
    "AmortizedRefined",
    "Inference",
    "Persistent",
    "Pool",
    "ShortRun",
    "build_inference",
    "options_of",
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


class Pool:
    """The last codes drawn (aggregate posterior): where data-based chains start."""

    def __init__(self, size: int = 2000) -> None:
        self.size = size
        self.codes: Tensor | None = None

    def add(self, z: Tensor) -> None:
        """Puts codes (B, d) in front and forgets the oldest."""
        z = z.detach()
        known = z if self.codes is None else torch.cat([z, self.codes.to(z.device)])
        self.codes = known[: self.size]

    def draw(
        self, n: int, device: torch.device, generator: torch.Generator | None
    ) -> Tensor | None:
        """n codes, with replacement, (n, d) on `device`; None while the pool is empty."""
        if self.codes is None:
            return None
        return self.codes[randint(len(self.codes), n, self.codes, generator)].to(device)

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.codes is None else {"codes": self.codes}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.codes = state.get("codes")


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


def options_of(inference: Inference) -> InferenceOptions:
    """What `build_inference` needs to make the like of `inference` again."""
    kinds: dict[type, str] = {
        ShortRun: "short-run",
        Persistent: "persistent",
        Amortized: "amortized",
        AmortizedRefined: "amortized-refined",
    }
    if type(inference) not in kinds:
        raise UsageError(f"{type(inference).__name__} is no inference of lebm: it cannot be saved.")
    options = InferenceOptions(kind=kinds[type(inference)])
    if isinstance(inference, _Chains):
        options.steps, options.step_size = inference.steps, inference.step_size
        options.noise = inference.noise
    if isinstance(inference, ShortRun) and inference.pool is not None:
        options.init = "data"
    return options


def build_inference(options: InferenceOptions) -> Inference:
    """The inference that a recipe asks for.

    Raises:
        UsageError: for an unknown kind.
    """
    o = options
    kinds: dict[str, Callable[[], Inference]] = {
        "short-run": lambda: ShortRun(o.steps, o.step_size, o.noise, o.init),
        "persistent": lambda: Persistent(o.steps, o.step_size, o.noise),
        "amortized": Amortized,
        "amortized-refined": lambda: AmortizedRefined(o.steps, o.step_size, o.noise),
    }
    if o.kind not in kinds:
        raise UsageError(
            f'Unknown inference.kind "{o.kind}": accepted are {", ".join(kinds)}.'
            + did_you_mean(o.kind, kinds)
        )
    return kinds[o.kind]()
