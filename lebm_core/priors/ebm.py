"""The exponential tilt of a Gaussian or uniform reference, f by a network, sampled by a chain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Uniform

from lebm_core.base.precision import half_is_faster
from lebm_core.base.randomness import standard_normal, uniform
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.langevin import langevin
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.priors.base import Prior, check_sizes
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import TiltTarget, pick

__all__ = ["EBMPrior"]


class EBMPrior(Prior):
    """Exponential tilt of a Gaussian or uniform reference by a network.

    Args:
        latent_dim: d.
        hidden: widths of the hidden layers of f.
        activation: see `lebm_core.priors.energy.ACTIVATIONS`.
        reference_std: standard deviation of a Gaussian p0; half width of a uniform one.
        steps: Langevin steps of `sample`.
        step_size: s.
        context_dim: features of a context that f sees beside z; 0 for none.
        bound: C of f = C tanh(f/C), in nats; 0 or None leaves f unbounded.
        reference: "gaussian" or "uniform".
        stages: tilts whose sum is f; the later ones start at zero.
        noise: tau of the chain.
        adjust: Metropolis-adjusted chains.

    Raises:
        UsageError: for sizes that are not positive or an unknown reference.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (200, 200),
        activation: str = "gelu",
        reference_std: float = 1.0,
        steps: int = 60,
        step_size: float = 0.4,
        context_dim: int = 0,
        bound: float | None = 10.0,
        reference: str = "gaussian",
        stages: int = 1,
        noise: float = 1.0,
        adjust: bool = False,
        _outputs: int = 1,
    ) -> None:
        super().__init__()
        check_sizes(latent_dim, reference_std)
        if reference not in ("gaussian", "uniform"):
            raise UsageError(
                f'Unknown reference "{reference}": accepted are gaussian, uniform.'
                + did_you_mean(reference, ("gaussian", "uniform"))
            )
        if stages < 1:
            raise UsageError(f"prior.stages must be at least 1, not {stages}.")
        self.latent_dim, self.context_dim = latent_dim, context_dim
        self.steps, self.step_size, self.noise, self.adjust = steps, step_size, noise, adjust
        self.bound = bound or None
        self.uniform_reference = reference == "uniform"
        self.register_buffer("std", torch.tensor(float(reference_std)), persistent=False)
        self.tilts = nn.ModuleList(
            Energy(latent_dim, hidden, activation, _outputs, context_dim, zero_output=k > 0)
            for k in range(stages)
        )

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draws the weights of f anew, in place: the tilt that a new prior starts with."""
        for tilt in self.tilts:
            tilt.reset(generator)  # type: ignore[operator]

    @property
    def reference(self) -> Distribution:
        std: Tensor = self.std  # type: ignore[assignment]
        zero = std.new_zeros(self.latent_dim)
        if self.uniform_reference:
            return Independent(Uniform(zero - std, zero + std, validate_args=False), 1)
        return Independent(Normal(zero, std, validate_args=False), 1)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        std: Tensor = self.std  # type: ignore[assignment]
        shape = (n, self.latent_dim)
        if self.uniform_reference:
            return std * (2 * uniform(shape, std, generator) - 1)
        return std * standard_normal(shape, std, generator)

    def stage_logits(self, stage: int, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The bounded logits of one stage alone, (B, C)."""
        raw: Tensor = self.tilts[stage](z, context)
        return raw if self.bound is None else self.bound * torch.tanh(raw / self.bound)

    def all_logits(
        self, z: Tensor, context: Tensor | None = None, stages: int | None = None
    ) -> Tensor:
        """F(z), (B, C): the sum over stages, or over the first `stages` of them."""
        if self.context_dim and context is None:
            raise UsageError(self._needs_context())
        logits = self.stage_logits(0, z, context)
        for stage in range(1, len(self.tilts) if stages is None else stages):
            logits = logits + self.stage_logits(stage, z, context)
        return logits

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        logits = self.all_logits(z, context)
        if y is None:
            return logits.logsumexp(-1)
        return pick(logits, y)

    def target(
        self,
        y: Tensor | None = None,
        context: Tensor | None = None,
        stages: int | None = None,
        half_rows: int = 0,
    ) -> LogDensity:
        """The log-density that a chain follows, its gradient in closed form.

        Args:
            y: (B,) class ids, or None.
            context: (B, c), or None.
            stages: only the first so many stages; None for all.
            half_rows: for batches of so many rows, take the gradient in bfloat16 where that is
                faster, of the weights as they are now; 0 for float32.
        """
        if self.context_dim and context is None:
            raise UsageError(self._needs_context())
        used = len(self.tilts) if stages is None else stages
        return TiltTarget(self, y, context, used, half_rows)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
        steps: int | None = None,
        step_size: float | None = None,
        trace: Chain | None = None,
        stages: int | None = None,
    ) -> Tensor:
        """n draws by a chain from p0, or from `start` (n, d); (n, d)."""
        if context is not None and len(context) != n:
            raise UsageError(f"n = {n} samples need as many rows of context, not {len(context)}.")
        z = self.draw_reference(n, generator) if start is None else start
        # A GPU waits for launches, not for products; accepting and tracing need exact values.
        quick = z.device.type == "cpu" and half_is_faster("cpu")
        half_rows = n if quick and not self.adjust and trace is None else 0
        return langevin(
            self.target(self.classes(y, n), context, stages, half_rows),
            z,
            steps=self.steps if steps is None else steps,
            step_size=self.step_size if step_size is None else step_size,
            noise=self.noise,
            adjust=self.adjust,
            generator=generator,
            trace=trace,
            fold=self.fold,
            name="prior chain",
        )

    def _needs_context(self) -> str:
        return (
            f"This prior is conditioned on a context of {self.context_dim} features: pass "
            "context=(B, c)."
        )

    def fold(self, z: Tensor) -> Tensor:
        """Reflects z at the walls of a uniform reference's box."""
        if not self.uniform_reference:
            return z
        std: Tensor = self.std  # type: ignore[assignment]
        folded = torch.remainder(z + std, 4 * std)
        return torch.where(folded > 2 * std, 4 * std - folded, folded) - std

    def classes(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """y as class ids (n,); refused here, since this prior has no classes."""
        if y is not None:
            raise UsageError("This prior has no classes: y needs a coupled prior (prior.kind).")
        return None
