"""The density of unknown coordinates of z given the known ones, and draws of it by a chain."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Sampler
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import DrawsUnknown

__all__ = ["draw_unknown"]


def draw_unknown(
    prior: Prior,
    z: Tensor,
    known: Tensor,
    sampler: Sampler | None,
    *,
    context: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """z with its unknown coordinates drawn from p(unknown | known), (B, d).

    Args:
        prior: p(z).
        z: (B, d); what stands where `known` is False is not used.
        known: (B, d), of bool.
        sampler: of the chain, which starts at draws of p0 in the unknown coordinates; None for
            the way of a prior that `DrawsUnknown`.
        context: (B, c), for a conditioned prior.
        generator: source of all randomness.
    """
    z = torch.where(known, z, 0.0)
    with frozen(prior, evaluating=True):
        if sampler is None:
            return cast(DrawsUnknown, prior).draw_unknown(
                z, known, context=context, generator=generator
            )
        start = torch.where(known, z, prior.draw_reference(len(z), generator))
        drawn = sampler(_Conditional(prior, z, known, context), start, generator=generator)
    return torch.where(known, z, drawn)


class _Conditional:
    """log p(unknown | known) + constant, (B,): the known coordinates do not move."""

    label = "completion chain"

    def __init__(self, prior: Prior, z: Tensor, known: Tensor, context: Tensor | None) -> None:
        self.target, self.z, self.known = prior.target(None, context), z, known
        self.by_row = True
        fold = getattr(self.target, "fold", None)
        self.fold = None if fold is None else lambda v: torch.where(known, z, fold(v))
        step = getattr(self.target, "gibbs_step", None)
        if step is not None:  # the known are put back after each
            self.gibbs_step = lambda v, generator=None: torch.where(known, z, step(v, generator))

    def __call__(self, z: Tensor) -> Tensor:
        return self.target(torch.where(self.known, self.z, z))
