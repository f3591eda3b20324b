"""Symbol-vector coupling, and the prior that a recipe asks for.

Source: Pang and Wu, "Latent space energy-based model of symbol-vector coupling", ICML 2021,
arXiv 2108.11556 (eq. 2-4).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lebm_core.base.modules import device_of
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.learning.options import PriorOptions
from lebm_core.priors.base import Prior
from lebm_core.priors.ebm import EBMPrior
from lebm_core.priors.gaussian import GaussianPrior

__all__ = ["CoupledPrior", "build_prior"]


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
        wrong = ids[(ids < 0) | (ids >= self.n_classes)]
        if len(wrong):
            raise UsageError(f"Class ids run from 0 to {self.n_classes - 1}, not {int(wrong[0])}.")
        return ids


def build_prior(options: PriorOptions) -> Prior:
    """The prior that a recipe asks for.

    Raises:
        UsageError: for an unknown kind.
    """
    from lebm_core.baselines.mixture import MixturePrior
    from lebm_core.baselines.second_stage import SecondStagePrior

    if options.latent_dim == 0 or options.kind == "gaussian":
        return GaussianPrior(options.latent_dim, options.reference_std)
    if options.kind == "mixture":
        return MixturePrior(options.latent_dim, options.components)
    if options.kind == "second-stage":
        return SecondStagePrior(options.latent_dim, options.hidden)
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
    kinds = ("gaussian", "ebm", "coupled", "mixture", "second-stage")
    raise UsageError(
        f'Unknown prior.kind "{options.kind}": accepted are {", ".join(kinds)}.'
        + did_you_mean(options.kind, kinds)
    )
