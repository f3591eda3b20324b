"""A prior with controls: p(z) proportional to exp(f(z) + sum_k strength_k g_k(z)) p0(z)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Distribution

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import randint, uniform
from lebm_core.chains.densities import LogDensity, Total
from lebm_core.chains.samplers import option_of, step_size_of
from lebm_core.chains.smc import SMCResult, smc
from lebm_core.control.base import Control, controls_in
from lebm_core.control.heads import PropertyHead
from lebm_core.control.targets import ClassReadout, ClassTerms, Weighted, energy_of
from lebm_core.errors import UsageError
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Coupled
from lebm_core.priors.tilt_target import ReadsLogits

__all__ = ["ControlledPrior"]

POOL, SPARE = 500, 2  # draws that are tempered together: at least so many, and for each one asked
FOR_CONTEXT = 32  # and for each context, whose draws are its own


class ControlledPrior(Prior):
    """Any prior with a density, its tilt changed by controls.

    It is a prior itself: `sample`, `log_prob`, `log_tilt`, `log_z` and a `LatentEBM` take it.

    Args:
        prior: the prior to be controlled; it stays as it is.
        controls: the energies to add.
        heads: property heads by name.
        classes: names of the prior's classes, where they have some.

    Raises:
        UsageError: for a class or property that there is not, or a model without coupling.
    """

    def __init__(
        self,
        prior: Prior,
        controls: Sequence[Control],
        heads: Mapping[str, PropertyHead] | None = None,
        classes: Sequence[str] = (),
    ) -> None:
        super().__init__()
        several = controls_in(controls)
        found = [control.term(prior.n_classes, classes, heads or {}) for control in several]
        self.terms = [term for term in found if term.strength]
        self.prior = prior
        self.latent_dim, self.context_dim = prior.latent_dim, prior.context_dim
        self.uniform_reference = prior.uniform_reference
        self.sampler = prior.sampler
        self.step_size = step_size_of(prior.sampler, 0.4)
        self.steps: int = option_of(prior.sampler, "steps", 60)

    @property
    def reference(self) -> Distribution:
        return self.prior.reference

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.prior.draw_reference(n, generator)

    def fold(self, z: Tensor) -> Tensor:
        return self.prior.fold(z)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z) + sum_k strength_k g_k(z), (B,)."""
        if y is not None:
            raise UsageError("A controlled prior takes classes as controls, ClassIs(...), not y.")
        return self.prior.log_tilt(z, None, context) + self.change(z, context)

    def change(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """sum_k strength_k g_k(z), (B,)."""
        total = z.new_zeros(len(z))
        for term, g in zip(self.terms, self.control_terms(z, context), strict=True):
            total = total + term.strength * g
        return total

    def control_terms(self, z: Tensor, context: Tensor | None = None) -> list[Tensor]:
        """g_k(z) of each control in turn, (B,) each."""
        found = []
        log_p: Tensor | None = None
        for term in self.terms:
            if term.energy is not None:
                found.append(energy_of(term, z, context))
                continue
            if log_p is None:
                log_p = self.prior.logits(z, context).log_softmax(-1)  # type: ignore[operator]
            found.append(log_p[:, list(term.classes)].logsumexp(-1))
        return found

    def target(self, y: Tensor | None = None, context: Tensor | None = None) -> LogDensity:
        return self.at(1.0, context)

    def at(self, beta: float, context: Tensor | None = None) -> LogDensity:
        """The log-density with every strength times beta: closed forms where there are some."""
        known = [(t.classes, beta * t.strength) for t in self.terms if t.classes and beta]
        others = [(t, beta * t.strength) for t in self.terms if t.energy is not None and beta]
        if not known:
            base = self.prior.target(None, context)
        elif isinstance(self.prior, ReadsLogits):
            base = self.prior.readout_target(ClassReadout(known), context)
        else:  # a coupled prior of a plugin: its logits, by autograd
            terms = ClassTerms(cast(Coupled, self.prior), known, context)
            base = Total(self.prior.target(None, context), terms)
        weighted = (Weighted(term, strength, context) for term, strength in others)
        return Total(base, *weighted, label="controlled chain")

    @torch.no_grad()
    def smc(
        self,
        n: int,
        *,
        context: Tensor | None = None,
        start: Tensor | None = None,
        steps: int | None = None,
        generator: torch.Generator | None = None,
    ) -> SMCResult:
        """n draws from the prior itself, moved under the controls; see `lebm_core.chains.smc`.

        Args:
            n: how many; with a context so many for each of its rows.
            context: (c, features), where the prior is conditioned.
            start: (n, d) draws of the prior; by default they are made.
            steps: at full strength; by default the prior's own.
            generator: source of all randomness.

        Raises:
            DivergenceError: where the controls are too strong for the chain.
        """
        given = None if context is None else context.repeat_interleave(n, 0)
        total = n if context is None else n * len(context)
        with frozen(self.prior):
            if start is None:
                start = self.prior.sample(total, context=given, generator=generator)
            return smc(
                start,
                lambda beta: self.at(beta, given),
                lambda z: self.change(z, given),
                groups=1 if context is None else len(context),
                steps=self.steps if steps is None else steps,
                step_size=self.step_size,
                generator=generator,
                name=f"chain under {', '.join(t.name for t in self.terms) or 'no control'}",
            )

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, (n, d), chosen out of a pool that is tempered together."""
        if y is not None:
            raise UsageError("A controlled prior takes classes as controls, ClassIs(...), not y.")
        if not self.terms:
            return self.prior.sample(n, context=context, generator=generator)
        if context is not None:
            z = self.smc(FOR_CONTEXT, context=context, generator=generator).z
            one = randint(FOR_CONTEXT, n, z, generator)  # taken again, they lie in an order
            return z.reshape(n, FOR_CONTEXT, -1)[torch.arange(n, device=z.device), one]
        pool = self.smc(max(POOL, SPARE * n), generator=generator).z
        return pool[uniform((len(pool),), pool, generator).argsort()[:n]]
