"""Samples of a trained model, as runs and the command line draw them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from lebm_core.base.files import sync, workplace
from lebm_core.base.modules import device_of
from lebm_core.base.randomness import stream
from lebm_core.control.base import Control
from lebm_core.control.sampling import Classes, draw_codes
from lebm_core.data.dataset import Dataset
from lebm_core.errors import RunError, UsageError
from lebm_core.models.base import Model
from lebm_core.models.latent_ebm import LatentEBM

__all__ = [
    "device", "draw_latent", "draw_samples", "first_contexts", "is_conditioned", "write_samples",
]  # fmt: skip


def draw_samples(
    model: Model,
    dataset: Dataset,
    n: int,
    *,
    seed: int,
    split: str = "test",
    y: Classes | None = None,
    control: Sequence[Control] = (),
    first: int = 0,
) -> Any:
    """n draws of x, on the CPU; of a conditioned model for the contexts of `split` from `first` on.

    Raises:
        UsageError: a class or property that the model does not have, or a context is needed and
            the data set has no example to take it from.
    """
    generator = torch.Generator(device(model)).manual_seed(stream(seed, "samples"))
    given: dict[str, Any] = dict(dataset.sample_options)
    context = first_contexts(model, dataset, n, split, first)
    # A model family need not know of what is not asked for.
    given |= {"context": context} if context is not None else {}
    given |= {"y": y} if y is not None else {}
    given |= {"control": control} if control else {}
    x = model.sample(n, generator=generator, **given)
    _need_finite(x, "samples")
    return x.cpu() if isinstance(x, Tensor) else x


def draw_latent(
    model: Model,
    dataset: Dataset,
    n: int,
    *,
    seed: int,
    split: str = "test",
    y: Classes | None = None,
    control: Sequence[Control] = (),
    first: int = 0,
) -> Tensor:
    """n draws of the code z, (n, d) on the CPU, by the rules of `draw_samples`.

    Raises:
        UsageError: as `draw_samples`, or the model has no code.
    """
    if not isinstance(model, LatentEBM) or model.observed or not model.latent_dim:
        raise UsageError(
            f"A model of the family {type(model).__name__} has no code z between the prior and "
            "the sample: leave --codes out."
        )
    generator = torch.Generator(device(model)).manual_seed(stream(seed, "samples"))
    codes = draw_codes(
        model.prior, n, y=y, control=control, heads=model.heads.known, classes=model.classes,
        context=first_contexts(model, dataset, n, split, first), generator=generator,
    )  # fmt: skip
    with torch.no_grad():
        z = torch.cat([z for _, z in codes])
    _need_finite(z, "codes")
    return z.cpu()


def _need_finite(x: Any, what: str) -> None:
    if isinstance(x, Tensor) and x.is_floating_point() and not bool(x.isfinite().all()):
        raise RunError(f"The model draws {what} that are not finite: it has diverged.")


def write_samples(dataset: Dataset, x: Any, target: Path, codes: bool = False) -> Path:
    """Write samples as their data set does, the file whole or not at all.

    Args:
        dataset: writes them.
        x: the samples.
        target: without the suffix, in a folder that exists.
        codes: x is codes (n, d), which are written as an .npy file.
    """
    with workplace(target.parent) as place:
        if codes:
            written = place / f"{target.name}.npy"
            np.save(written, x.numpy())
        else:
            written = dataset.write(x, place / target.name)
        for file in place.iterdir():
            sync(file)
            os.replace(file, target.with_name(file.name))
    return target.with_name(written.name)


def is_conditioned(model: Model, dataset: Dataset) -> bool:
    """Whether samples need a context: with f = 0 the prior needs none, but the decoder may."""
    prior = getattr(model, "prior", None)
    return bool(getattr(prior, "context_dim", 0)) or "context_dim" in dataset.sizes


def first_contexts(
    model: Model, dataset: Dataset, n: int, split: str, first: int = 0
) -> Tensor | None:
    """The contexts (n, c) of n examples of `split`, repeated where it has fewer.

    None for a model without a context.

    Args:
        model: conditioned or not.
        dataset: with the examples.
        n: how many.
        split: of the examples.
        first: number of the first of them.

    Raises:
        UsageError: the split is empty.
    """
    if not is_conditioned(model, dataset):
        return None
    if dataset.length(split) == 0:
        raise UsageError(
            "This model is conditioned on a context, and the data has no example of the split "
            f'"{split}" to take it from.'
        )
    rows = torch.arange(first, first + n) % dataset.length(split)
    return dataset.batch(split, rows).to(device(model)).context


def device(model: Model) -> torch.device:
    """Where a model is."""
    return device_of(cast(nn.Module, model))
