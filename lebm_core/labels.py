"""Few labels: which examples have one, and what labels add to the objective of a coupled prior.

Source: Pang and Wu 2021, arXiv 2108.11556 (coupling, information bottleneck).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.distributions import Independent, Normal
from torch.nn.functional import cross_entropy, one_hot

from lebm_core.data import Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.options import LearningOptions
from lebm_core.randomness import normal_like
from lebm_core.smoothness import inconsistency, roughness

if TYPE_CHECKING:
    from lebm_core.model import LatentEBM

__all__ = [
    "Labelled", "choose_labelled", "codes_with_classes", "labels_of", "likeliest",
    "mutual_information", "symbol_terms",
]  # fmt: skip


def labels_of(dataset: Dataset, split: str) -> Tensor:
    """The class ids (N,) of a split, -1 where there is none.

    Raises:
        UsageError: where the data set has no classes.
    """
    found = []
    for index in torch.arange(dataset.length(split)).split(1000):
        y = dataset.batch(split, index).y
        if y is None:
            raise UsageError(
                "This data set has no classes: learning.labels and labels.accuracy need some."
            )
        found.append(y)
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)


def choose_labelled(y: Tensor, n: int, seed: int) -> Tensor:
    """The rows of n examples that keep their label, in order, as evenly over classes as it goes.

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
            f"learning.labels = {n} is not possible: accepted are {len(classes)}, one of each "
            f"class, to {len(known)}, or 0 for all."
        )
    generator = torch.Generator().manual_seed(seed)
    shuffled = known[torch.randperm(len(known), generator=generator)]
    # The k-th example of a class comes after the (k-1)-th of every other.
    turn = torch.zeros(len(shuffled), dtype=torch.long)
    for c in classes:
        mine = y[shuffled] == c
        turn[mine] = torch.arange(int(mine.sum()))
    return shuffled[turn.argsort(stable=True)[:n]].sort().values


class Batches(Protocol):
    """Whatever gives examples by row number; every `Dataset` does."""

    def batch(self, split: str, index: Tensor) -> Batch: ...


class Labelled:
    """Batches of the examples whose labels are known, each about as often as the others.

    Args:
        dataset: its training split.
        rows: the labelled ones.
        size: of a batch; all of them where there are fewer.

    Raises:
        UsageError: where there is none.
    """

    def __init__(self, dataset: Batches, rows: Tensor, size: int) -> None:
        if not len(rows):
            raise UsageError("No training example has a label.")
        self.dataset, self.rows, self.size = dataset, rows, min(size, len(rows))

    def draw(self, generator: torch.Generator | None, device: torch.device) -> Batch:
        """One batch, without repetition."""
        on = "cpu" if generator is None else generator.device
        some = torch.randperm(len(self.rows), generator=generator, device=on)[: self.size].cpu()
        return self.dataset.batch("train", self.rows[some]).to(device)


@torch.no_grad()
def codes_with_classes(
    model: LatentEBM,
    dataset: Dataset,
    n: int,
    draws: int,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Codes z ~ q(z | x) of training examples, (N, d), with p(y | x) of each one's example, (N, C).

    p is 1 for a known class; else the mean of the prior's softmax F over the draws of the example.
    It is None for a prior without classes. Third is the context of each code, (N, c), or None.

    Args:
        model: its prior is an `EBMPrior`.
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
        z = torch.stack([model.inference(model, batch, generator=generator) for _ in range(draws)])
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
    return torch.cat(codes), p, torch.cat(contexts) if contexts else None


def likeliest(p: Tensor) -> Tensor:
    """p (N, C) with all of it on the largest."""
    return one_hot(p.argmax(1), p.shape[1]).to(p)


def symbol_terms(
    model: LatentEBM,
    batch: Batch,
    logits: Tensor,
    options: LearningOptions,
    generator: torch.Generator | None,
) -> tuple[Tensor, dict[str, Tensor | float]]:
    """What a coupled prior adds to the loss of a batch, and figures to log.

    -`mutual_information` I(z; y) + `label_weight` times the cross-entropy of known labels +
    `smoothness` times the divergence of p(y | x) from itself at the worst point near x +
    `consistency` times that from p(y | part of x).

    Args:
        model: its prior is coupled.
        batch: `labelled` holds the examples with labels; where it is None they are those of y.
        logits: F(z), (B, C), of the batch's codes.
        options: the weights.
        generator: source of all randomness.
    """
    information = mutual_information(logits)
    loss = -options.mutual_information * information
    metrics: dict[str, Tensor | float] = {"mutual_information": information.detach()}
    known, y = logits, batch.y
    if batch.labelled is not None:
        z = _code(model, batch.labelled, generator)
        known, y = model.prior.logits(z, batch.labelled.context), batch.labelled.y  # type: ignore[operator]
    if y is not None and bool((y >= 0).any()):
        wrong = cross_entropy(known, y, ignore_index=-1)
        loss = loss + options.label_weight * wrong
        metrics["label_loss"] = wrong.detach()
    if options.smoothness > 0:
        rough = roughness(model, batch, options.smoothness_radius, generator)
        loss = loss + options.smoothness * rough
        metrics["roughness"] = rough.detach()
    if options.consistency > 0:
        apart = inconsistency(model, batch, options.consistency_hidden, generator)
        loss = loss + options.consistency * apart
        metrics["inconsistency"] = apart.detach()
    return loss, metrics


def mutual_information(logits: Tensor) -> Tensor:
    """I(z; y) within the batch, in nats: H(mean p(y|z)) - mean H(p(y|z))."""
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    mean = p.mean(0)
    # Of log 0 only the value would be right, not the gradient.
    return (p * log_p).sum(-1).mean() - (mean * mean.clamp(min=1e-30).log()).sum()


def _code(model: LatentEBM, batch: Batch, generator: torch.Generator | None) -> Tensor:
    """A code of each example; the encoder's lets the gradient through."""
    if model.encoder is None:
        return model.inference(model, batch, generator=generator)
    q: Independent[Normal] = model.encoder(batch.x, batch.context)
    z: Tensor = q.mean + q.stddev * normal_like(q.mean, generator)
    return z
