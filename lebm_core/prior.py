"""Priors p(z) proportional to exp(f(z)) p0(z): f is the log-tilt, high is likely, never flipped.

Sources: Pang et al., "Learning latent space energy-based prior model", NeurIPS 2020,
arXiv 2006.08205 (the tilt, eq. 2); Pang and Wu, "Latent space energy-based model of
symbol-vector coupling", ICML 2021, arXiv 2108.11556 (the coupled prior, eq. 2-4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Uniform

from lebm_core.decoder import Component, device_of
from lebm_core.dynamics import Chain, LogDensity, langevin
from lebm_core.energy import Energy
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.options import PriorOptions
from lebm_core.precision import half_is_faster
from lebm_core.randomness import standard_normal, uniform
from lebm_core.tilt_target import TiltTarget, pick

__all__ = ["CoupledPrior", "EBMPrior", "GaussianPrior", "Prior", "build_prior"]


class Prior(Component):
    """What every prior gives.

    Attributes:
        latent_dim: dimension d of z.
        normalised: whether `log_prob` integrates to one as it stands (log Z = 0).
        n_classes: number of classes C of a coupled prior, else 0.
        context_dim: features of the context, 0 for none.
    """

    latent_dim: int
    normalised = False
    n_classes = 0
    context_dim = 0
    uniform_reference = False

    @property
    def reference(self) -> Distribution:
        """p0, with event shape (d,)."""
        raise TypeError(f"{type(self).__name__} defines no reference.")

    def log_tilt(
        self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """f(z), (B,), in nats; F_y(z) where y (B,) is given to a coupled prior."""
        raise TypeError(f"{type(self).__name__} defines no log_tilt.")

    def log_prob(
        self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """f(z) + log p0(z), (B,), in nats: log p(z) + log Z."""
        return self.log_tilt(z, y, context) + self.reference.log_prob(z)

    def energy(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """-f(z) - log p0(z), (B,)."""
        return -self.log_prob(z, context=context)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, (n, d)."""
        raise TypeError(f"{type(self).__name__} defines no sample.")

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from p0, (n, d)."""
        raise TypeError(f"{type(self).__name__} defines no draw_reference.")

    def target(self, y: Tensor | None = None, context: Tensor | None = None) -> LogDensity:
        """The unnormalised log-density that a chain follows, (B, d) -> (B,)."""
        return lambda z: self.log_prob(z, y, context)

    def fold(self, z: Tensor) -> Tensor:
        """Maps z back into the support of p0; the identity unless p0 is bounded."""
        return z


class GaussianPrior(Prior):
    """f = 0: p(z) = N(0, std^2 I), the control of every table."""

    normalised = True

    def __init__(self, latent_dim: int, std: float = 1.0) -> None:
        super().__init__()
        _check_sizes(latent_dim, std)
        self.latent_dim = latent_dim
        self.register_buffer("std", torch.tensor(float(std)), persistent=False)

    @property
    def reference(self) -> Independent[Normal]:
        std: Tensor = self.std  # type: ignore[assignment]
        return Independent(Normal(std.new_zeros(self.latent_dim), std, validate_args=False), 1)

    def log_tilt(
        self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        return z.new_zeros(len(z))

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        if y is not None:
            raise UsageError("A Gaussian prior has no classes: sample it without y.")
        return self.draw_reference(n, generator)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        std: Tensor = self.std  # type: ignore[assignment]
        return std * standard_normal((n, self.latent_dim), std, generator)


class EBMPrior(Prior):
    """Exponential tilt of a Gaussian or uniform reference by a network.

    Args:
        latent_dim: d.
        hidden: widths of the hidden layers of f.
        activation: see `lebm_core.energy.ACTIVATIONS`.
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
        _check_sizes(latent_dim, reference_std)
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
            raise UsageError(
                f"This prior is conditioned on a context of {self.context_dim} features: pass "
                "context=(B, c)."
            )
        logits = self.stage_logits(0, z, context)
        for stage in range(1, len(self.tilts) if stages is None else stages):
            logits = logits + self.stage_logits(stage, z, context)
        return logits

    def log_tilt(
        self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
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
        return TiltTarget(self, y, context, len(self.tilts) if stages is None else stages, half_rows)

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


class CoupledPrior(EBMPrior):
    """Symbol-vector coupling: p(y, z) proportional to exp(F_y(z)) p0(z), f = logsumexp_c F_c.

    Args:
        latent_dim: d.
        n_classes: C, at least 2.
        kwargs: as `EBMPrior`.
    """

    def __init__(
        self,
        latent_dim: int,
        n_classes: int,
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
    ) -> None:
        if n_classes < 2:
            raise UsageError(f"A coupled prior needs at least 2 classes, not {n_classes}.")
        super().__init__(
            latent_dim, hidden, activation, reference_std, steps, step_size, context_dim,
            bound, reference, stages, noise, adjust, n_classes,
        )  # fmt: skip
        self.n_classes = n_classes

    def logits(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """F(z), (B, C); p(y|z) is their softmax."""
        return self.all_logits(z, context)

    def classes(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """y, an id or (n,) ids, as (n,) ids.

        Raises:
            UsageError: for an id outside 0 to C - 1.
        """
        if y is None:
            return None
        ids = torch.as_tensor(y, device=device_of(self)).expand(n)
        if int(ids.min()) < 0 or int(ids.max()) >= self.n_classes:
            last = self.n_classes - 1
            raise UsageError(f"Class ids run from 0 to {last}, not {ids.tolist()[0]}.")
        return ids


def _check_sizes(latent_dim: int, std: float) -> None:
    if latent_dim < 0:
        raise UsageError(f"prior.latent_dim must be 0 or more, not {latent_dim}.")
    if not std > 0:
        raise UsageError(f"prior.reference_std must be positive, not {std}.")


def build_prior(options: PriorOptions) -> Prior:
    """The prior that a recipe asks for.

    Raises:
        UsageError: for an unknown kind.
    """
    from lebm_core.mixture import MixturePrior

    if options.latent_dim == 0 or options.kind == "gaussian":
        return GaussianPrior(options.latent_dim, options.reference_std)
    if options.kind == "mixture":
        return MixturePrior(options.latent_dim, options.components)
    common = dict(
        hidden=list(options.hidden),
        activation=options.activation,
        reference_std=options.reference_std,
        steps=options.steps,
        step_size=options.step_size,
        context_dim=options.context_dim,
        bound=options.bound,
        reference=options.reference,
        stages=options.stages,
        noise=options.noise,
        adjust=options.adjust,
    )
    if options.kind == "ebm":
        return EBMPrior(options.latent_dim, **common)  # type: ignore[arg-type]
    if options.kind == "coupled":
        return CoupledPrior(options.latent_dim, options.n_classes, **common)  # type: ignore[arg-type]
    kinds = ("gaussian", "ebm", "coupled", "mixture")
    raise UsageError(
        f'Unknown prior.kind "{options.kind}": accepted are {", ".join(kinds)}.'
        + did_you_mean(options.kind, kinds)
    )
