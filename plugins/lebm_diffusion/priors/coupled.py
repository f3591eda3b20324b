"""A diffusion prior with classes: symbol-vector coupling at every level of noise.

Source: Yu et al., "Latent diffusion energy-based model for interpretable text modeling", ICML 2022,
arXiv 2206.05895.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from torch import Tensor

from lebm_core import Sampler
from lebm_core.base.checks import whole
from lebm_core.base.modules import device_of
from lebm_core.errors import UsageError
from lebm_core.priors.coupled import MOST_CLASSES, class_ids
from lebm_core.priors.ebm import ENERGY
from lebm_core.priors.energy import Energy
from lebm_diffusion.priors.recovery import SAMPLER, DiffusionPrior

__all__ = ["CoupledDiffusionPrior"]


class CoupledDiffusionPrior(DiffusionPrior):
    """p_t(y, z_t) proportional to exp(F_y(z_t, t)) N(z_t; 0, I), f = logsumexp_c F_c.

    A draw of a class follows F_y at every level. Classes are learned at t = 0; at the others
    p(y|z_t) is learned from p(y|z_0) of the same code, or of its class by a rule that is told it.

    Args:
        latent_dim: dimension d of z.
        n_classes: C, at least 2; of a recipe, by default those of the data.
        energy: the network F, an `Energy` with C outputs that sees the level beside z, or its
            table.
        sampler: of the chain of each level, its step size in units of the level's noise.
        bound: C of the bounded logits F = C tanh(F/C), in nats; 0 or none leaves F unbounded.
        levels: T.
        context_dim: features of a context that F sees beside z; 0 for none.
        start: where the chain of a level starts, noise or slope; see `DiffusionPrior`.
        noise: standard deviation of the noise of level 0, of which a draw is freed at its end by
            the mean of z without it; 0 keeps it.

    Raises:
        UsageError: for fewer than 2 classes, or sizes that are not possible.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        n_classes: int = 0,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        bound: float | None = 0.0,
        levels: int = 6,
        context_dim: int = 0,
        start: Literal["noise", "slope"] = "noise",
        noise: float = 0.0,
    ) -> None:
        if whole("prior.n_classes", n_classes, 0, MOST_CLASSES) < 2:
            raise UsageError(f"A coupled prior needs at least 2 classes, not {n_classes}.")
        super().__init__(
            latent_dim, energy, sampler, bound, levels, context_dim, start, noise, n_classes
        )
        self.n_classes = n_classes

    def classes(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """y, an id or (n,) ids, as (n,) ids; see `class_ids`."""
        return class_ids(y, n, self.n_classes, device_of(self))
