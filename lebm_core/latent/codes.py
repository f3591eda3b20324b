"""Posterior codes of a data set."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core.data.dataset import Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.inference import Inference
from lebm_core.latent.parts import LatentModel

__all__ = ["PairedCodes", "aggregate_codes", "codes_with_classes", "likeliest"]


class PairedCodes(NamedTuple):
    """Posterior codes with what is known of the example that each is of.

    Attributes:
        z: (N, d) draws of q(z | x).
        p: (N, C) p(y | x), for a prior with classes; else None.
        context: (N, c), where there is one; else None.
    """

    z: Tensor
    p: Tensor | None = None
    context: Tensor | None = None


def aggregate_codes(
    model: LatentModel,
    dataset: Dataset,
    n: int,
    generator: torch.Generator | None = None,
    *,
    split: str = "train",
    batch_size: int = 128,
    mean: bool = False,
    draws: int = 1,
) -> Tensor:
    """Codes z ~ q(z | x) of up to n examples of `split` (the aggregate posterior), (n draws, d).

    Args:
        model: the model.
        dataset: the data.
        n: examples, at random where there are more.
        generator: shuffles the examples and draws the codes.
        split: which examples.
        batch_size: examples at once.
        mean: the means of q instead of draws, where there is an encoder.
        draws: codes of each example.
    """
    method = Amortized(mean=True) if mean and model.encoder is not None else model.inference
    shuffle = torch.Generator().manual_seed(0) if generator is None else generator
    parts = [
        _draw(method, model, batch.to(model.device), draws, generator).flatten(0, 1)
        for batch in dataset.batches(split, batch_size, generator=shuffle, limit=n)
    ]
    if not parts:
        raise UsageError(f'The split "{split}" has no examples to draw codes from.')
    return torch.cat(parts)


@torch.no_grad()
def codes_with_classes(
    model: LatentModel,
    dataset: Dataset,
    n: int,
    draws: int,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> PairedCodes:
    """Codes z ~ q(z | x) of training examples, with p(y | x) of each one's example.

    p is 1 for a known class; else the mean of the prior's softmax F over the draws of the example.

    Args:
        model: trained.
        dataset: its training split.
        n: examples, at random where there are more.
        draws: codes of each example.
        known: rows whose class may be used; None for all that have one.
        generator: source of all randomness.
    """
    classes = model.prior.n_classes
    shuffle = torch.Generator().manual_seed(0) if generator is None else generator
    codes, found, contexts = [], [], []
    for index in dataset.order("train", 128, shuffle)[: -(-n // 128)]:
        batch = dataset.batch("train", index)
        y = torch.full((len(index),), -1) if batch.y is None else batch.y
        if known is not None:
            y = y.where(torch.isin(index, known), -1)
        batch, y = batch.to(model.device), y.to(model.device)
        z = _draw(model.inference, model, batch, draws, generator)
        codes.append(z.flatten(0, 1))
        given = None
        if batch.context is not None:
            given = batch.context.repeat(draws, 1)
            contexts.append(given)
        if classes:
            p = model.prior.logits(z.flatten(0, 1), given).softmax(-1)  # type: ignore[operator]
            p = p.unflatten(0, z.shape[:2]).mean(0)
            p = torch.where((y >= 0)[:, None], one_hot(y.clamp(min=0), classes).to(p), p)
            found.append(p.repeat(draws, 1))
    p = torch.cat(found) if found else None
    return PairedCodes(torch.cat(codes), p, torch.cat(contexts) if contexts else None)


def _draw(
    method: Inference, model: LatentModel, batch: Batch, n: int, generator: torch.Generator | None
) -> Tensor:
    """n codes of each example, (n, B, d); a chain is run anew for each."""
    if isinstance(method, Amortized):
        return method.several(model, batch, n, generator)
    return torch.stack([method(model, batch, generator=generator) for _ in range(n)])


def likeliest(p: Tensor) -> Tensor:
    """p (N, C) as one-hot rows of its largest entries."""
    return one_hot(p.argmax(1), p.shape[1]).to(p)
