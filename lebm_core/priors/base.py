"""Priors p(z) proportional to exp(f(z)) p0(z): f is the log-tilt, high is likely, never flipped.

Source: Pang et al., "Learning latent space energy-based prior model", NeurIPS 2020,
arXiv 2006.08205 (the tilt, eq. 2).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lebm_core.base.arguments import entry, floats, request
from lebm_core.base.checks import fits, positive, whole
from lebm_core.base.modules import Component
from lebm_core.chains.densities import LogDensity
from lebm_core.chains.samplers import Sampler
from lebm_core.errors import UsageError

__all__ = ["Prior", "PriorTarget", "check_sizes"]

FLOAT = torch.float32  # of z as a chain has it, which is let through at once
MOST_DIMENSIONS = 100_000  # of z


class Prior(Component):
    """What every prior gives.

    Attributes:
        latent_dim: dimension d of z.
        normalised: whether `log_prob` integrates to one as it stands (log Z = 0).
        n_classes: number of classes C of a coupled prior, else 0.
        context_dim: features of the context, 0 for none.
        sampler: of its chains; None where it is drawn from directly.
        n_levels: levels of noise that a draw passes; above 1 the sampler runs in the units of each,
            not on `target`.
        discrete: whether z is of zeros and ones, to which no noise can be added.
        taught_by: name of the only prior rule that teaches all of it; "" for any.
        fitted_to: what of q(z|x) over the training data it is fitted to after training, "means" or
            "draws"; "" for a prior that is not.
    """

    latent_dim: int
    normalised = False
    n_classes = 0
    context_dim = 0
    uniform_reference = False
    fitted_to = ""
    sampler: Sampler | None = None
    n_levels = 1
    taught_by = ""
    discrete = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "sample" in cls.__dict__:
            cls.sample = entry(_asked(cls.__dict__["sample"]))  # type: ignore[method-assign]

    @property
    def reference(self) -> Distribution:
        """p0, with event shape (d,)."""
        raise TypeError(f"{type(self).__name__} defines no reference.")

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z), (B,), in nats; F_y(z) where y (B,) is given to a coupled prior."""
        raise TypeError(f"{type(self).__name__} defines no log_tilt.")

    def log_prob(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        """f(z) + log p0(z), (B,), in nats: log p(z) + log Z."""
        if not isinstance(z, Tensor) or z.shape[1:] != (self.latent_dim,) or z.dtype != FLOAT:
            z = floats("z", z, (self.latent_dim,), self)
        if context is not None and not isinstance(context, Tensor):
            context = floats("context", context, (self.context_dim or None,), self)
        return self.log_tilt(z, y, context) + self.reference.log_prob(z)

    def energy(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """-f(z) - log p0(z), (B,)."""
        return -self.log_prob(z, context=context)

    def kl(
        self, q: Independent[Normal], z: Tensor | None = None, context: Tensor | None = None
    ) -> Tensor:
        """KL(q(z|x) || p0) of each dimension, (B, d) in nats, for a Gaussian p0.

        Args:
            q: the encoder's code distribution.
            z: draws of q, (B, d), for a prior whose KL has no closed form.
            context: (B, c), for a conditioned prior.

        Raises:
            UsageError: for another p0, such as a uniform one, to which the KL is infinite.
        """
        base = getattr(self.reference, "base_dist", None)
        if not isinstance(base, Normal):
            raise UsageError(
                "The variational rule needs a Gaussian reference, prior.reference = gaussian: the "
                "KL of a Gaussian code to a uniform reference is infinite; "
                "learning.decoder.name = mcmc works."
            )
        return torch.distributions.kl_divergence(q.base_dist, base)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """n draws of z, (n, d); what is given to a subclass's `sample` is checked before it."""
        raise TypeError(f"{type(self).__name__} defines no sample.")

    def check_context(self, context: Tensor | None, rows: int | None = None) -> None:
        """Refuse to do without a context that the prior is conditioned on, or with another one.

        Raises:
            UsageError: naming the features that are needed.
        """
        if self.context_dim and context is not None and rows is not None:
            if context.shape != (rows, self.context_dim):
                raise UsageError(
                    f"context has the shape {tuple(context.shape)}; use ({rows}, "
                    f"{self.context_dim}), a row for each z."
                )
        if self.context_dim and context is None:
            raise UsageError(
                f"This prior is conditioned on a context of {self.context_dim} features: pass "
                "context=(B, c)."
            )

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n draws from p0, (n, d)."""
        raise TypeError(f"{type(self).__name__} defines no draw_reference.")

    def target(self, y: Tensor | None = None, context: Tensor | None = None) -> LogDensity:
        """The unnormalised log-density that a chain follows, (B, d) -> (B,)."""
        return PriorTarget(self, y, context)

    def fold(self, z: Tensor) -> Tensor:
        """Maps z back into the support of p0; the identity unless p0 is bounded."""
        return z

    def refuse_classes(self, y: object) -> None:
        """Refuse a class given to a prior without classes.

        Raises:
            UsageError: where y is not None.
        """
        if y is not None:
            raise UsageError(
                f"{type(self).__name__} has no classes: y needs a coupled prior (prior.name = "
                "coupled)."
            )


class PriorTarget:
    """log p(z) + log Z of a prior as a chain's target, its gradient by autograd."""

    label = "prior chain"

    def __init__(self, prior: Prior, y: Tensor | None, context: Tensor | None) -> None:
        self.prior, self.y, self.context = prior, y, context
        self.fold: Callable[[Tensor], Tensor] | None = (
            prior.fold if prior.uniform_reference else None
        )
        self.by_row = y is not None or context is not None
        self.reference = None if prior.normalised else _ReferenceOf(prior)

    def __call__(self, z: Tensor) -> Tensor:
        return self.prior.log_prob(z, self.y, self.context)


class _ReferenceOf:
    """The p0 of a prior, as a sampler sees it."""

    def __init__(self, prior: Prior) -> None:
        self.prior = prior

    def log_prob(self, z: Tensor) -> Tensor:
        value: Tensor = self.prior.reference.log_prob(z)
        return value

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.prior.draw_reference(n, generator)


def check_sizes(latent_dim: int, std: float) -> None:
    """Refuse sizes that no prior has."""
    whole("prior.latent_dim", latent_dim, 0, MOST_DIMENSIONS)
    positive("prior.reference_std", std)


def _asked(sample: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A prior's `sample` that is given what can be drawn, in the types that it computes in."""

    @functools.wraps(sample)
    def called(
        self: Prior, n: int, *args: Any, context: Tensor | None = None, **options: Any
    ) -> Tensor:
        n, context = request(n, context, self.context_dim, self)
        fits(float(n) * max(1, self.latent_dim), f"n = {n:,} draws of the prior")
        if options.get("start") is not None:
            options["start"] = floats("start", options["start"], (self.latent_dim,), self, rows=n)
        if context is not None:
            options["context"] = context
        return sample(self, n, *args, **options)

    return called
