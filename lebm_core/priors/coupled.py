"""Symbol-vector coupling: a prior over a class and a code.

Source: Pang and Wu, "Latent space energy-based model of symbol-vector coupling", ICML 2021,
arXiv 2108.11556 (eq. 2-4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.modules import device_of
from lebm_core.chains.samplers import Sampler
from lebm_core.errors import UsageError, shown
from lebm_core.priors.ebm import ENERGY, SAMPLER, EBMPrior
from lebm_core.priors.energy import Energy

__all__ = ["CoupledPrior", "class_ids"]

MOST_CLASSES = 1_000_000


class CoupledPrior(EBMPrior):
    """Symbol-vector coupling: p(y, z) proportional to exp(F_y(z)) p0(z), f = logsumexp_c F_c.

    Args:
        latent_dim: dimension d of z.
        n_classes: C, at least 2; of a recipe, by default those of the data.
        energy: the network F, an `Energy` with C outputs, or its table {"name": ..., options}.
        sampler: of the prior's chain, a `Sampler`, or its table.
        reference: p0, "gaussian" or "uniform" on [-std, std] in each dimension.
        reference_std: standard deviation of a Gaussian p0, half width of a uniform one.
        bound: C of the bounded logits F = C tanh(F/C), in nats; 0 or none leaves F unbounded.
        stages: tilts learned one after another by density ratio; F is their sum.
        context_dim: features of a context that F sees beside z; 0 for none.

    Raises:
        UsageError: for fewer than 2 classes, and as `EBMPrior`.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        n_classes: int = 0,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        reference: Literal["gaussian", "uniform"] = "gaussian",
        reference_std: float = 1.0,
        bound: float | None = 10.0,
        stages: int = 1,
        context_dim: int = 0,
    ) -> None:
        if whole("prior.n_classes", n_classes, 0, MOST_CLASSES) < 2:
            raise UsageError(f"A coupled prior needs at least 2 classes, not {n_classes}.")
        super().__init__(
            latent_dim, energy, sampler, reference, reference_std, bound, stages, context_dim,
            n_classes,
        )  # fmt: skip
        self.n_classes = n_classes

    def classes(self, y: Tensor | int | None, n: int) -> Tensor | None:
        """y, an id or (n,) ids, as (n,) ids; see `class_ids`."""
        return class_ids(y, n, self.n_classes, device_of(self))


def class_ids(
    y: Tensor | int | None, n: int, n_classes: int, device: torch.device
) -> Tensor | None:
    """y, an id or (n,) ids, as (n,) ids; None stays None.

    Raises:
        UsageError: for an id outside 0 to C - 1.
    """
    if y is None:
        return None
    try:
        ids = torch.as_tensor(y, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise UsageError(f"y = {shown(y)} is no class; use an id, or {n} of them.") from None
    if ids.is_floating_point() or ids.ndim > 1 or (ids.ndim and len(ids) not in (1, n)):
        raise UsageError(
            f"y is of {str(ids.dtype).removeprefix('torch.')} and has the shape "
            f"{tuple(ids.shape)}; use an integer id, or ({n},) of them."
        )
    ids = ids.expand(n)
    wrong = ids[(ids < 0) | (ids >= n_classes)]
    if len(wrong):
        raise UsageError(f"Class ids run from 0 to {n_classes - 1}, not {int(wrong[0])}.")
    return ids
