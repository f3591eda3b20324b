"""The exponential tilt of a Gaussian or uniform reference, f by a network, drawn by a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal, Uniform

from lebm_core.base.checks import choice, whole
from lebm_core.base.modules import frozen
from lebm_core.base.precision import half_is_faster
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError
from lebm_core.priors.base import Prior, check_sizes
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import LogSumExp, Readout, Reference, TiltTarget, pick
from lebm_core.registry.parts import Part, make, table_of

__all__ = ["EBMPrior"]

ENERGY = Part("energies", "mlp", filled=("latent_dim", "outputs", "context_dim"))
SAMPLER = Part("samplers", "langevin")
REFERENCES = ("gaussian", "uniform")


class EBMPrior(Prior):
    """Exponential tilt of a Gaussian or uniform reference by an energy network.

    Args:
        latent_dim: dimension d of z; 0 is the plain model without z.
        energy: the network f, an `Energy`, or its table {"name": ..., options}.
        sampler: of the prior's chain, a `Sampler`, or its table.
        reference: p0, "gaussian" or "uniform" on [-std, std] in each dimension.
        reference_std: standard deviation of a Gaussian p0, half width of a uniform one.
        bound: C of the bounded tilt f = C tanh(f/C), in nats; 0 or none leaves f unbounded.
        stages: tilts learned one after another by density ratio; f is their sum.
        context_dim: features of a context that f sees beside z; 0 for none.

    Raises:
        UsageError: for sizes that are not positive or an unknown reference.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        reference: Literal["gaussian", "uniform"] = "gaussian",
        reference_std: float = 1.0,
        bound: float | None = 10.0,
        stages: int = 1,
        context_dim: int = 0,
        _outputs: int = 1,
        _inputs: int = 0,
    ) -> None:
        super().__init__()
        check_sizes(latent_dim, reference_std)
        choice("prior.reference", reference, REFERENCES)
        whole("prior.stages", stages, 1, 1000)
        whole("prior.context_dim", context_dim, 0, 1_000_000)
        # A tilt of less is none, and of one of more float32 sees no bound.
        if bound and not 1e-3 <= bound <= 1e6:
            raise UsageError(
                f"prior.bound = {bound} is not possible; use 0.001 to 1e+06 nats, or 0 for none."
            )
        self.latent_dim, self.context_dim, self.n_stages = latent_dim, context_dim, stages
        self.bound = bound or None
        self.uniform_reference = reference == "uniform"
        self.register_buffer("std", torch.tensor(float(reference_std)), persistent=False)
        given = context_dim + _inputs  # what a subclass shows f beside z and the context
        sizes = {"latent_dim": latent_dim, "outputs": _outputs, "context_dim": given}
        first: Energy = make(ENERGY, energy, sizes)
        first.check_sizes(**sizes)
        self.tilts = nn.ModuleList([first, *(first.replaced() for _ in range(stages - 1))])
        for later in self.energies[1:]:
            later.start_at_zero()
        self.sampler = make(SAMPLER, sampler)
        self.remember(energy=table_of(ENERGY, first), sampler=table_of(SAMPLER, self.sampler))

    std: Tensor

    @property
    def energies(self) -> list[Energy]:
        """The network of each stage."""
        return list(self.tilts)  # type: ignore[arg-type]

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights of f, in place: the tilt that a new prior starts with."""
        for energy in self.energies:
            energy.reset(generator)

    def forget(self, stage: int) -> None:
        """Make a stage add nothing to f, in place."""
        self.energies[stage].start_at_zero()

    @property
    def reference(self) -> Distribution:
        zero = self.std.new_zeros(self.latent_dim)
        if self.uniform_reference:
            # torch leaves the upper end out of the box; data that fill it lie there.
            high = torch.nextafter(zero + self.std, zero + torch.inf)
            return Independent(Uniform(zero - self.std, high, validate_args=False), 1)
        return Independent(Normal(zero, self.std, validate_args=False), 1)

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self._reference().draw(n, generator)

    def draw_start(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Where n chains start that are given no start, (n, d): draws of p0."""
        return self.draw_reference(n, generator)

    def given(self, context: Tensor | None) -> Tensor | None:
        """What f sees beside z: the context (B, c), or a row for all z, or None."""
        return context

    def _reference(self) -> Reference:
        return Reference(self.std, self.latent_dim, self.uniform_reference, self.fold)

    def stage_logits(self, stage: int, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The bounded logits of one stage alone, (B, C)."""
        given = self.given(context)
        if given is not None and len(given) != len(z):
            given = given.expand(len(z), -1)
        raw: Tensor = self.tilts[stage](z, given)
        return raw if self.bound is None else self.bound * torch.tanh(raw / self.bound)

    def logits(self, z: Tensor, context: Tensor | None = None, stages: int | None = None) -> Tensor:
        """F(z), (B, C): the sum over stages, or over the first `stages` of them."""
        self.check_context(context, len(z))
        logits = self.stage_logits(0, z, context)
        for stage in range(1, self.n_stages if stages is None else stages):
            logits = logits + self.stage_logits(stage, z, context)
        return logits

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        logits = self.logits(z, context)
        return logits.logsumexp(-1) if y is None else pick(logits, y)

    def log_ratio(self, stage: int, z: Tensor, context: Tensor | None = None) -> Tensor:
        """What a stage adds to f, (B,); the stages before it take no gradient."""
        if stage == 0:
            return self.logits(z, context, 1).logsumexp(-1)
        with frozen(*self.energies[:stage]):
            f = self.logits(z, context, stage + 1).logsumexp(-1)
            return f - self.logits(z, context, stage).logsumexp(-1)

    def target(
        self,
        y: Tensor | None = None,
        context: Tensor | None = None,
        *,
        stages: int | None = None,
        half_rows: int = 0,
        readout: Readout | None = None,
    ) -> LogDensity:
        """The log-density that a chain follows, its gradient in closed form.

        Args:
            y: (B,) class ids, or None.
            context: (B, c), or None.
            stages: only the first so many stages; None for all.
            half_rows: for batches of so many rows, take the gradient in bfloat16 where that is
                faster, of the weights as they are now; 0 for float32.
            readout: how f follows from the logits; by default logsumexp F, or F_y.
        """
        self.check_context(context)
        energies = self.energies[: self.n_stages if stages is None else stages]
        read = LogSumExp(y) if readout is None else readout
        return TiltTarget(
            energies, self._reference(), self.bound, self.given(context), half_rows, read
        )

    def readout_target(self, readout: Readout, context: Tensor | None = None) -> LogDensity:
        """readout(F(z)) + log p0(z), its gradient in closed form."""
        return self.target(None, context, readout=readout)

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
        """n draws by a chain from `draw_start`, or from `start` (n, d); (n, d).

        Args:
            n: how many.
            y: class, for a coupled prior.
            context: (n, c), for a conditioned prior.
            generator: source of randomness.
            start: (n, d) in place of those of `draw_start`.
            sampler: in place of the prior's own.
            trace: filled in at every step when given.
            stages: only the first so many tilts; None for all.
        """
        chain: Sampler = self.sampler if sampler is None else sampler  # type: ignore[assignment]
        z = self.draw_start(n, generator) if start is None else start
        # A GPU waits for launches, not for products; accepting and tracing need exact values.
        quick = z.device.type == "cpu" and half_is_faster("cpu")
        half_rows = n if quick and not chain.adjusted and trace is None else 0
        target = self.target(self.classes(y, n), context, stages=stages, half_rows=half_rows)
        return chain(target, z, generator=generator, trace=trace)

    def fold(self, z: Tensor) -> Tensor:
        """Reflects z at the walls of a uniform reference's box."""
        if not self.uniform_reference:
            return z
        folded = torch.remainder(z + self.std, 4 * self.std)
        return torch.where(folded > 2 * self.std, 4 * self.std - folded, folded) - self.std

    def classes(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """y as class ids (n,); refused here, since this prior has no classes."""
        self.refuse_classes(y)
        return None

    def check_context(self, context: Tensor | None, rows: int | None = None) -> None:
        """Refuse a context without need too.

        Raises:
            UsageError: as for any prior; and where it is not conditioned.
        """
        super().check_context(context, rows)
        if context is not None and not self.context_dim:
            raise UsageError(
                "This prior is not conditioned (prior.context_dim = 0): leave context out."
            )
