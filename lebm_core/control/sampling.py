"""Codes for the samples that a user asks for: any, of a class, or under controls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lebm_core.control.base import Control, controls_in
from lebm_core.control.controls import ClassIs, class_id
from lebm_core.control.heads import PropertyHead
from lebm_core.control.prior import ControlledPrior
from lebm_core.errors import UsageError
from lebm_core.priors.base import Prior

__all__ = ["Classes", "draw_codes", "ids_of"]

Classes = Tensor | int | str | Sequence[int | str]  # one class, or one for each sample


def draw_codes(
    prior: Prior,
    n: int,
    *,
    y: Classes | None = None,
    control: Control | Sequence[Control] = (),
    heads: Mapping[str, PropertyHead] | None = None,
    classes: Sequence[str] = (),
    context: Tensor | None = None,
    batch_size: int = 500,
    generator: torch.Generator | None = None,
    by_chain: bool = False,
) -> Iterator[tuple[slice, Tensor]]:
    """n codes in batches: the rows of a batch, and z (b, d).

    With `by_chain` a class alone is drawn by the prior's own chain on F_y from p0, and of a prior
    without a sampler directly; otherwise, and under controls, draws of the prior are moved.

    Raises:
        UsageError: for classes or controls that the prior does not know.
    """
    controls = controls_in(control)
    ids = None if y is None else ids_of(y, n, prior.n_classes, classes)
    if controls:  # what is wrong is said before anything is drawn
        ControlledPrior(prior, controls, heads, classes)
    for first in range(0, n, batch_size):
        rows = slice(first, min(first + batch_size, n))
        size, given = rows.stop - first, None if context is None else context[rows]
        if ids is None and not controls:
            yield rows, prior.sample(size, context=given, generator=generator)
            continue
        wanted = torch.full((size,), -1) if ids is None else ids[rows]
        if (by_chain or prior.sampler is None) and not controls:
            yield rows, prior.sample(size, y=wanted, context=given, generator=generator)
            continue
        found: Tensor | None = None
        for each in wanted.unique().tolist():  # a class is a density of its own
            mine = (wanted == each).nonzero().squeeze(1)
            tilt = [] if ids is None else [ClassIs(each)]
            controlled = ControlledPrior(prior, [*tilt, *controls], heads, classes)
            some = None if given is None else given[mine]
            z = controlled.sample(len(mine), context=some, generator=generator)
            found = z.new_zeros(size, z.shape[1]) if found is None else found
            found[mine.to(z.device)] = z
        assert found is not None
        yield rows, found


def ids_of(y: Classes, n: int, n_classes: int, classes: Sequence[str]) -> Tensor:
    """y, ids or names, as class ids (n,) on the CPU.

    Raises:
        UsageError: for a class that is not known, or another number of them.
    """
    given: Any = y.tolist() if hasattr(y, "tolist") else y  # tensors and arrays
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(several) not in (1, n):
        raise UsageError(f"y has {len(several)} classes for {n} samples: give one, or {n}.")
    ids = [class_id(each, n_classes, classes) for each in several]
    return torch.tensor(ids).expand(n)
