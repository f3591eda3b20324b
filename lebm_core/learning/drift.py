"""Drift of f against its own chains: figures to log, warnings, a stop, and the way back."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.diagnostics import step_size_warning
from lebm_core.chains.samplers import step_size_of
from lebm_core.errors import DivergenceError
from lebm_core.learning.rules import Metrics, PriorRule
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted

__all__ = ["DriftGuard", "Monitor", "Rollback"]

CHAIN_EVERY = 50  # updates between two chains that are run for f(chain) alone
MOMENT_DECAY = 0.98
CURVATURE_EVERY, CURVATURE_CODES = 500, 32  # updates between two checks of the step size
GAP_UPDATES = 100  # over which f(posterior) - f(chain) is averaged in a refit


class DriftGuard:
    """Warns when f grows away from its own chains, and stops the training when it has run away.

    Args:
        limit: nats that f(posterior) - f(chain) may reach before a warning; at ten times that
            the training stops.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, metrics: dict[str, float]) -> list[str]:
        """The warnings for the metrics of one step.

        Raises:
            DivergenceError: where f has run away.
        """
        warnings = []
        up, chain = metrics.get("f_posterior"), metrics.get("f_chain")
        if up is not None and chain is not None:
            gap = up - chain
            if gap > 10 * self.limit:
                raise DivergenceError(
                    f"The tilt has run away: f(posterior) - f(chain) = {gap:.1f} nats (limit "
                    f"{10 * self.limit:g}). Lower training.parts.prior.lr, bound the tilt "
                    '(prior.bound = 10), or use learning.prior.name = "density-ratio".'
                )
            if gap > self.limit:
                warnings.append(
                    f"f(posterior) - f(chain) = {gap:.1f} nats exceeds {self.limit:g}: the chains "
                    "do not reach the codes; use a smaller prior.sampler.step_size with more "
                    "steps, or a lower training.parts.prior.lr."
                )
        spread, mean = metrics.get("code_std"), metrics.get("code_mean")
        if spread is not None and not 0.05 < spread < 20:
            warnings.append(
                f"The codes have a standard deviation of {spread:.3g} a dimension, far from the "
                "reference; raise learning.decoder.kl_weight or code_penalty."
            )
        if mean is not None and mean > 20:
            warnings.append(f"The mean of the codes has drifted to {mean:.3g} in one dimension.")
        return warnings


class Monitor:
    """Metrics of a training that its rules do not compute: f on a chain, moments of the codes.

    Args:
        limit: see `DriftGuard`.

    Attributes:
        calls: training steps so far.
    """

    def __init__(self, limit: float) -> None:
        self.guard = DriftGuard(limit)
        self.calls = 0
        self.moments: Tensor | None = None  # running mean and mean square of the codes, (2, d)
        self.step_size: str | None = None  # a warning

    def chain(
        self,
        prior: Prior,
        z: Tensor,
        context: Tensor | None,
        generator: torch.Generator | None,
        known: Metrics,
    ) -> Metrics:
        """f on a chain of the prior, once in a while where the prior rule runs none itself.

        Less often the chain's step size is compared with the curvature at the codes z (B, d).
        """
        if not isinstance(prior, Tilted):
            return {}
        # In the units of a level of noise a step size says nothing about the curvature at z.
        size = step_size_of(prior.sampler, 0.0) if prior.n_levels == 1 else 0.0
        if self.calls % CURVATURE_EVERY == 0 and size:
            few = slice(CURVATURE_CODES)
            target = prior.target(None, None if context is None else context[few])
            warning = step_size_warning(target, z[few], size, generator=generator)
            adjusted = prior.sampler is not None and prior.sampler.adjusted
            self.step_size = None if warning is None or adjusted else f"The prior's {warning}"
        # A draw through all levels of noise takes as long as many updates.
        if "f_chain" in known or prior.n_levels > 1 or self.calls % CHAIN_EVERY:
            return {}
        with torch.no_grad(), frozen(prior):
            drawn = prior.sample(len(z), context=context, generator=generator)
            return {"f_chain": prior.log_tilt(drawn, None, context).mean()}

    def codes(self, z: Tensor) -> Metrics:
        """The largest mean and the mean standard deviation of recent codes, over dimensions."""
        if not z.numel():
            return {}
        now = torch.stack([z.mean(0), z.square().mean(0)])
        old = now if self.moments is None else self.moments.to(z.device)
        self.moments = MOMENT_DECAY * old + (1 - MOMENT_DECAY) * now
        mean, square = self.moments
        spread = (square - mean.square()).clamp(min=0).sqrt()
        return {"code_mean": mean.abs().max(), "code_std": spread.mean()}

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """The warnings for the metrics of one step; see `DriftGuard`."""
        warning, self.step_size = self.step_size, None
        return [*self.guard(metrics), *([warning] if warning else [])]

    def state_dict(self) -> dict[str, Tensor]:
        """Counters and moments, for a checkpoint."""
        state = {"calls": torch.tensor(self.calls)}
        return state if self.moments is None else {**state, "moments": self.moments}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self.calls = int(state["calls"])
        self.moments = state.get("moments")


class Rollback:
    """Puts a prior and its rule back to their last state with a small f(posterior) - f(chain).

    Args:
        prior: that is trained.
        rule: that trains it.
        limit: nats; a gap that is larger, and larger than that of the state kept, goes back.
        gap: of the state at the start.
    """

    def __init__(self, prior: Prior, rule: PriorRule, limit: float, gap: float) -> None:
        self.prior, self.rule, self.limit = prior, rule, limit
        self.gaps: list[float] = []
        self._keep(0, gap)

    def __call__(self, metrics: Metrics, step: int, *, last: bool) -> float | None:
        """Look at the metrics of an update; the mean gap where it was put back, else None."""
        if "f_posterior" in metrics and "f_chain" in metrics:
            self.gaps.append(float(metrics["f_posterior"]) - float(metrics["f_chain"]))
        if not self.gaps or not (last or step % GAP_UPDATES == 0):
            return None
        gap = sum(self.gaps) / len(self.gaps)
        self.gaps.clear()
        if not gap > max(self.limit, self.gap):
            self._keep(step, gap)
            return None
        self.prior.load_state_dict(self.weights)
        self.rule.load_state_dict(self.state)
        return gap

    def _keep(self, step: int, gap: float) -> None:
        self.step, self.gap = step, gap
        self.weights = {name: value.clone() for name, value in self.prior.state_dict().items()}
        self.state = {name: value.clone() for name, value in self.rule.state_dict().items()}
