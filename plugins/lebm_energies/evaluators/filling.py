"""Unknown numbers of examples, filled in by a model of x itself or by one with codes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.chains.samplers import Langevin, Sampler, with_steps
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evidence.completion import complete
from lebm_core.models.ebm import EBM
from lebm_core.priors.protocols import DrawsUnknown

__all__ = ["completed", "every_second", "unknown_mask"]

AT_ONCE = 50  # examples filled in together


def completed(evaluation: Evaluation, x: Tensor, mask: Tensor, steps: int = 0) -> Tensor:
    """x filled in by the model's own sampler, with so many steps where not 0, on the CPU.

    A prior with levels of noise has a way of its own, with the steps of its sampler at each.

    In data space the chain is on x itself; of a model with codes alone it is on z given what is
    known, and the mean of p(x|z) fills in.
    """
    model = getattr(evaluation.model, "density", evaluation.model)  # of an energy beside a decoder
    own = model.prior.sampler
    if not isinstance(model, EBM):
        own = getattr(model.inference, "sampler", None)
    chain: Sampler = with_steps(own or Langevin(), steps)
    parts = []
    for part, kept in zip(x.split(AT_ONCE), mask.split(AT_ONCE), strict=True):
        given, known = part.to(model.device), kept.to(model.device)
        if isinstance(model, EBM):
            sampler = None if isinstance(model.prior, DrawsUnknown) else chain
            filled = model.complete(given, known, sampler=sampler, generator=evaluation.generator)
        else:
            filled = complete(model, given, known, chain, generator=evaluation.generator)
        parts.append(filled.cpu())
    return torch.cat(parts)


def unknown_mask(x: Tensor, known: float, generator: torch.Generator) -> Tensor:
    """Where x is known: each number by itself with probability `known`."""
    return torch.rand(x.shape, generator=generator) < known


def every_second(x: Tensor) -> Tensor:
    """Where x (B, C, ...) is known: one number of each block of two along every axis."""
    mask = torch.ones_like(x, dtype=torch.bool)
    for axis in range(2, x.ndim):
        keep = torch.arange(x.shape[axis]) % 2 == 0
        mask &= keep.view([-1 if a == axis else 1 for a in range(x.ndim)])
    return mask
