"""Labels of a data set: which examples keep theirs, and batches of labelled examples."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from lebm_core.data.dataset import Batch, Dataset, in_proportion
from lebm_core.errors import UsageError

__all__ = ["Labelled", "choose_labelled", "labels_of"]


def labels_of(dataset: Dataset, split: str) -> Tensor:
    """The class ids (N,) of a split, -1 where unknown.

    Raises:
        UsageError: where the data set has no classes, or labels that are no class ids (N,).
    """
    n = dataset.length(split)
    labels = torch.zeros(n, dtype=torch.long)
    for index in torch.arange(n).split(1000):
        y = dataset.batch(split, index).y
        if y is None:
            raise UsageError(
                "This data set has no classes, which learning.symbols.labels and labels.accuracy "
                "need."
            )
        if y.ndim != 1 or y.is_floating_point():
            raise UsageError(
                f"The labels of the split {split} have the shape {tuple(y.shape)} and the type "
                f"{y.dtype}: one class id for each example is needed, y.argmax(1) of one-hot rows."
            )
        # A list of them would lie between the examples in memory, whose room nobody could reuse.
        labels[index] = y.to("cpu", torch.long)
    return labels


def choose_labelled(y: Tensor, n: int, seed: int) -> Tensor:
    """The rows of n examples that keep their label, in order, as many of each class as possible.

    Args:
        y: (N,) class ids, -1 where unknown.
        n: how many; 0 for every known one.
        seed: of the choice.

    Raises:
        UsageError: for fewer than one of each class, or more than there are.
    """
    known = (y >= 0).nonzero().squeeze(1)
    if not n or n == len(known):
        return known
    classes = y[known].unique()
    if n < len(classes) or n > len(known):
        raise UsageError(
            f"learning.symbols.labels = {n} is not possible; use {len(classes)}, one of each "
            f"class, to {len(known)}, or 0 for all."
        )
    generator = torch.Generator().manual_seed(seed)
    shuffled = known[torch.randperm(len(known), generator=generator)]
    # The k-th example of a class comes after the (k-1)-th of every other.
    turn = torch.zeros(len(shuffled), dtype=torch.long)
    for c in classes:
        mask = y[shuffled] == c
        turn[mask] = torch.arange(int(mask.sum()))
    return shuffled[turn.argsort(stable=True)[:n]].sort().values


class Batches(Protocol):
    """Whatever gives examples by row number; every `Dataset` does."""

    def batch(self, split: str, index: Tensor) -> Batch: ...


class Labelled:
    """Batches of labelled examples, each drawn about as often as the others.

    Args:
        dataset: its training split.
        rows: the labelled ones.
        size: of a batch; all of them where there are fewer.
        weights: (N,) of the training examples, in proportion to which they are drawn; None: alike.

    Raises:
        UsageError: where there is none.
    """

    def __init__(
        self, dataset: Batches, rows: Tensor, size: int, weights: Tensor | None = None
    ) -> None:
        if not len(rows):
            raise UsageError("No training example has a label.")
        self.dataset, self.rows, self.size = dataset, rows, min(size, len(rows))
        self.weights = None if weights is None else weights[rows]

    def draw(self, generator: torch.Generator | None, device: torch.device) -> Batch:
        """One batch, without repetition where all weigh the same."""
        on = "cpu" if generator is None else generator.device
        if self.weights is not None:
            chosen = in_proportion(self.weights, self.size, generator)
            return self.dataset.batch("train", self.rows[chosen]).to(device)
        chosen = torch.randperm(len(self.rows), generator=generator, device=on)[: self.size]
        return self.dataset.batch("train", self.rows[chosen.cpu()]).to(device)
