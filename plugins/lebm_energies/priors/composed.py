"""Products, mixtures and negations of energy-based models of the same x.

Sources: Hinton, "Training products of experts by minimizing contrastive divergence", Neural
Computation 14, 2002; Du, Li and Mordatch, "Compositional visual generation with energy based
models", NeurIPS 2020, arXiv 2004.06030 (conjunction, disjunction, negation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lebm_core import Prior, Sampler
from lebm_core.base.checks import choice
from lebm_core.chains.samplers import Langevin
from lebm_core.chains.trace import Chain
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM

__all__ = ["ComposedPrior", "compose"]

How = Literal["product", "mixture"]


class ComposedPrior(Prior):
    """A density made of those of other priors, drawn by a chain on it.

    product: sum_i w_i log p_i(x), where a negative weight is a negation: x that p_i finds
    unlikely. mixture: log sum_i w_i p_i(x), with log Z_i of each, which the weights mean nothing
    without.

    Args:
        priors: of the same dimension, trained; they are not changed.
        how: "product" or "mixture".
        weights: w_i, 1 each by default; positive for a mixture.
        log_zs: log Z_i of each, for a mixture.
        sampler: of the chain, which starts at draws of the first prior's p0; by default the first
            prior's own.

    Raises:
        UsageError: for priors that do not fit each other, or weights that are not possible.
    """

    def __init__(
        self,
        priors: Sequence[Prior],
        how: How = "product",
        weights: Sequence[float] = (),
        log_zs: Sequence[float] = (),
        sampler: Sampler | None = None,
    ) -> None:
        super().__init__()
        choice("how", how, ("product", "mixture"))
        if len(priors) < 1 or len({prior.latent_dim for prior in priors}) != 1:
            raise UsageError(
                f"A composition needs priors of one dimension, not of "
                f"{[prior.latent_dim for prior in priors]}."
            )
        shares = [float(w) for w in weights or [1.0] * len(priors)]
        if len(shares) != len(priors) or (how == "mixture" and min(shares) <= 0):
            raise UsageError(
                f"weights = {list(weights)} is not possible for a {how} of {len(priors)}; use one "
                "number for each" + (", above 0." if how == "mixture" else ".")
            )
        if how == "product" and sum(shares) <= 0:
            raise UsageError(
                f"weights = {list(weights)} add up to {sum(shares):g}: the product has no p0 left "
                "to hold it; use weights whose sum is above 0."
            )
        if how == "mixture" and len(log_zs) != len(priors):
            raise UsageError(
                "A mixture needs log_zs, log Z of each prior (lebm_core.log_z): without them its "
                "weights mean nothing."
            )
        self.priors, self.how, self.weights = nn.ModuleList(priors), how, shares
        self.log_zs = [float(each) for each in log_zs]
        first = priors[0]
        self.latent_dim, self.uniform_reference = first.latent_dim, first.uniform_reference
        self.sampler = sampler or first.sampler or Langevin(100, 0.1)

    @property
    def parts(self) -> list[Prior]:
        """The priors that it is made of."""
        return list(self.priors)  # type: ignore[arg-type]

    @property
    def reference(self) -> Distribution:
        return self.parts[0].reference

    def draw_reference(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        return self.parts[0].draw_reference(n, generator)

    def fold(self, z: Tensor) -> Tensor:
        return self.parts[0].fold(z)

    def log_prob(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        self.refuse_classes(y)
        each = torch.stack([prior.log_prob(z) for prior in self.parts])
        weights = each.new_tensor(self.weights)[:, None]
        if self.how == "product":
            return (weights * each).sum(0)
        return (each - each.new_tensor(self.log_zs)[:, None] + weights.log()).logsumexp(0)

    def log_tilt(self, z: Tensor, y: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        return self.log_prob(z, y, context) - self.reference.log_prob(z)

    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        z = self.draw_reference(n, generator) if start is None else start
        assert self.sampler is not None
        return self.sampler(self.target(), z, generator=generator, trace=trace)


def compose(
    models: Sequence[EBM],
    how: How = "product",
    weights: Sequence[float] = (),
    log_zs: Sequence[float] = (),
    sampler: Sampler | None = None,
) -> EBM:
    """A model of x that is a product or a mixture of others; see `ComposedPrior`.

    Raises:
        UsageError: for models of x of other shapes, and as `ComposedPrior`.
    """
    if len({model.shape for model in models}) != 1:
        raise UsageError(
            f"A composition needs models of one x, not of the shapes {[m.shape for m in models]}."
        )
    priors = [model.prior for model in models]
    return EBM(ComposedPrior(priors, how, weights, log_zs, sampler), models[0].shape)
