"""Samples of a trained model, as runs and the command line draw them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from lebm_core.base.files import sync, workplace
from lebm_core.base.modules import device_of
from lebm_core.base.randomness import stream
from lebm_core.control.base import Control
from lebm_core.control.sampling import Classes
from lebm_core.data.dataset import Dataset
from lebm_core.errors import RunError, UsageError
from lebm_core.models.base import Model

__all__ = ["device", "draw_samples", "first_contexts", "is_conditioned", "write_samples"]


def draw_samples(
    model: Model,
    dataset: Dataset,
    n: int,
    *,
    seed: int,
    split: str = "test",
    y: Classes | None = None,
    control: Sequence[Control] = (),
) -> Any:
    """n draws of x, on the CPU; a conditioned model sees the contexts of the first of `split`.

    Raises:
        UsageError: a class or property that the model does not have, or a context is needed and
            the data set has no example to take it from.
    """
    generator = torch.Generator(device(model)).manual_seed(stream(seed, "samples"))
    given: dict[str, Any] = dict(dataset.sample_options)
    context = first_contexts(model, dataset, n, split)
    # A model family need not know of what is not asked for.
    given |= {"context": context} if context is not None else {}
    given |= {"y": y} if y is not None else {}
    given |= {"control": control} if control else {}
    x = model.sample(n, generator=generator, **given)
    if isinstance(x, Tensor) and x.is_floating_point() and not bool(x.isfinite().all()):
        raise RunError("The model draws samples that are not finite: it has diverged.")
    return x.cpu() if isinstance(x, Tensor) else x


def write_samples(dataset: Dataset, x: Any, target: Path) -> Path:
    """Write samples as their data set does, the file whole or not at all.

    Args:
        dataset: writes them.
        x: the samples.
        target: without the suffix, in a folder that exists.
    """
    with workplace(target.parent) as place:
        written = dataset.write(x, place / target.name)
        for file in place.iterdir():
            sync(file)
            os.replace(file, target.with_name(file.name))
    return target.with_name(written.name)


def is_conditioned(model: Model, dataset: Dataset) -> bool:
    """Whether samples need a context: with f = 0 the prior needs none, but the decoder may."""
    prior = getattr(model, "prior", None)
    return bool(getattr(prior, "context_dim", 0)) or "context_dim" in dataset.sizes


def first_contexts(model: Model, dataset: Dataset, n: int, split: str) -> Tensor | None:
    """The contexts (n, c) of the first n examples of `split`, repeated where it has fewer.

    None for a model without a context.

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
    rows = torch.arange(n) % dataset.length(split)
    return dataset.batch(split, rows).to(device(model)).context


def device(model: Model) -> torch.device:
    """Where a model is."""
    return device_of(cast(nn.Module, model))
