"""Prior "rbm": a restricted Boltzmann machine, its hidden units summed out.

Sources: Hinton, Neural Computation 14, 2002, and "A practical guide to training restricted
Boltzmann machines", 2012; Salakhutdinov and Murray, ICML 2008 (p0, and the path from it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.nn.functional import softplus

from lebm_core.base.checks import WIDEST, choice, fits, positive, whole
from lebm_core.base.randomness import fork, uniform
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import BatchSource
from lebm_core.errors import UsageError
from lebm_core.priors.base import Prior, PriorTarget, check_sizes
from lebm_core.registry.parts import Part, make, table_of
from lebm_energies.priors.annealing import from_reference
from lebm_energies.priors.units import BinaryUnits, GaussianUnits, Units

__all__ = ["RBMPrior", "RBMTarget"]

SAMPLER = Part("samplers", "gibbs")
LOG2 = math.log(2)
BATCH = 1000  # examples at once, where p0 is fitted


class RBMPrior(Prior):
    """p(v) = sum over h of p(v, h), binary hidden units h, as a tilt of independent units p0(v).

    f(v) = a u + sum_j log((1 + exp(c_j + (u W)_j)) / 2), where u is v for binary units and
    (v - mean) / sigma for Gaussian ones; p0 has the data's share of ones, or their mean, so the
    visible bias is that of p0 and a. With a, c and W = 0, f is 0. -log_prob is the free energy.

    Args:
        latent_dim: visible units d, the numbers of one x.
        hidden: hidden units.
        visible: "binary", x of zeros and ones, or "gaussian".
        sampler: of its chains, a `Sampler` or its table; binary x need one without gradients.
        sigma: standard deviation of Gaussian units in p0, and given h.
        learn_sigma: learn the width of each Gaussian unit given h.
        weight_std: standard deviation of the weights at the start.

    Raises:
        UsageError: for sizes that are not positive, or a sampler that cannot draw binary x.
    """

    n_stages = 1

    def __init__(
        self,
        latent_dim: int = 32,
        hidden: int = 16,
        visible: Literal["binary", "gaussian"] = "binary",
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        sigma: float = 1.0,
        learn_sigma: bool = False,
        weight_std: float = 0.01,
    ) -> None:
        super().__init__()
        check_sizes(latent_dim, sigma)
        choice("prior.visible", visible, ("binary", "gaussian"))
        whole("prior.hidden", hidden, 1, WIDEST)
        fits(float(hidden) * latent_dim, f"prior.hidden = {hidden:,}")
        positive("prior.weight_std", weight_std)
        self.latent_dim, self.hidden, self.weight_std = latent_dim, hidden, weight_std
        self.units: Units = (
            BinaryUnits(latent_dim)
            if visible == "binary"
            else GaussianUnits(latent_dim, sigma, learn_sigma)
        )
        self.discrete = self.units.discrete
        self.weight = nn.Parameter(torch.zeros(latent_dim, hidden))
        self.visible_bias = nn.Parameter(torch.zeros(latent_dim))  # beside that of p0
        self.hidden_bias = nn.Parameter(torch.zeros(hidden))
        self.sampler = make(SAMPLER, sampler)
        self.check_sampler(self.sampler)
        self.remember(sampler=table_of(SAMPLER, self.sampler))
        self.reset()

    @property
    def reference(self) -> Distribution:
        return self.units.reference

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.units.draw(self.visible_bias.new_zeros(n, self.latent_dim), 0.0, generator)

    def initialise(self, dataset: BatchSource) -> None:
        """Fit p0 to the training examples: the base rates of binary x, the mean of Gaussian x.

        Raises:
            UsageError: for other numbers than zeros and ones, where x is to be binary.
        """
        self.units.initialise(
            torch.cat([batch.x.flatten(1) for batch in dataset.batches("train", BATCH)])
        )

    def path(self, v: Tensor, share: float) -> Tensor:
        """f at a share of all weights, (B,): 0 at share 0, f at 1; what AIS goes along."""
        u = self.units.standard(v)
        own = share * (u @ self.visible_bias + self.units.own(u))
        return own + (softplus(share * (self.hidden_bias + u @ self.weight)) - LOG2).sum(-1)

    def gibbs_step(
        self, v: Tensor, generator: torch.Generator | None = None, share: float = 1.0
    ) -> Tensor:
        """Draw h given v (B, d), then v given h; leaves p0 exp(path(., share)) as it is."""
        p = torch.sigmoid(share * (self.hidden_bias + self.units.standard(v) @ self.weight))
        h = (uniform(p.shape, p, generator) < p).to(p.dtype)
        return self.units.draw(share * self.field(h), share, generator)

    def field(self, h: Tensor) -> Tensor:
        """What hidden units (B, H) give to each visible one, (B, d)."""
        return self.visible_bias + h @ self.weight.T

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        self.refuse_classes(y)
        return self.path(z, 1.0)

    def logits(self, z: Tensor, context: Tensor | None = None, stages: int | None = None) -> Tensor:
        """f(v) as one logit, (B, 1)."""
        return self.log_tilt(z)[:, None]

    def log_ratio(self, stage: int, z: Tensor, context: Tensor | None = None) -> Tensor:
        """f(v), (B,): there is one stage."""
        return self.log_tilt(z)

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw fresh weights, in place; biases 0, so that f is nearly 0."""
        with fork(generator):
            nn.init.normal_(self.weight, std=self.weight_std)
        for bias in (self.visible_bias, self.hidden_bias):
            nn.init.zeros_(bias)
        self.units.clear()

    def forget(self, stage: int) -> None:
        """Make f = 0, in place."""
        self.reset()
        nn.init.zeros_(self.weight)

    def target(self, y: Tensor | None = None, context: Tensor | None = None) -> RBMTarget:
        """log p(v) + log Z, which knows its Gibbs step."""
        self.refuse_classes(y)
        return RBMTarget(self, None, None)

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
        """n draws (n, d) by a chain from draws of p0, or from `start` (n, d).

        Args:
            n: how many.
            y: refused: there are no classes.
            context: not used.
            generator: source of randomness.
            start: (n, d) in place of draws of p0.
            sampler: in place of the prior's own.
            trace: filled in at every step when given.
            stages: not used: there is one.
        """
        self.refuse_classes(y)
        chain: Sampler = self.sampler if sampler is None else sampler  # type: ignore[assignment]
        self.check_sampler(chain)
        z = self.draw_reference(n, generator) if start is None else start
        return chain(self.target(), z, generator=generator, trace=trace).detach()

    def annealed_log_weights(
        self, n: int, temperatures: int, generator: torch.Generator | None = None
    ) -> Tensor:
        """Log weights (n,) whose mean estimates Z, by AIS from p0; see `annealing`."""
        return from_reference(self, n, temperatures, generator)

    def check_sampler(self, sampler: Sampler | None) -> None:
        if self.units.discrete and sampler is not None and "step_size" in sampler.options:
            raise UsageError(
                f'prior.sampler.name = "{type(sampler).__name__.lower()}" follows a gradient, and '
                'x is binary (prior.visible): use "gibbs".'
            )


class RBMTarget(PriorTarget):
    """log p(v) + log Z of a restricted Boltzmann machine, with its Gibbs step."""

    prior: RBMPrior
    label = "Gibbs chain"

    def gibbs_step(self, z: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw the hidden units, then the visible ones, (B, d)."""
        return self.prior.gibbs_step(z, generator)
