"""Which class or cluster an utterance is in: a coupled prior's classes, and k-means beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.latent.amortized import Amortized
from lebm_core.learning.cluster_init import k_means
from lebm_text.data.labelled.dailydialog import DialogueDataset
from lebm_text.metrics.base import text_of

__all__ = ["Assignment", "assigned", "clustered_codes", "clustered_words"]

AT_ONCE = 128


@dataclass
class Assignment:
    """Classes of some examples.

    Attributes:
        p: (N, C) p(y | z) of one code z ~ q(z | x); 0 and 1 for clusters.
        of_x: (N,) argmax of p(y | x), for clusters that of the mean code.
    """

    p: Tensor
    of_x: Tensor


def assigned(evaluation: Evaluation, rows: Tensor, draws: int) -> Assignment:
    """The classes of a coupled prior for the given rows of the split, in their order.

    Args:
        evaluation: its model's prior is coupled.
        rows: (N,) row numbers.
        draws: codes that p(y | x) is the mean over.
    """
    model, generator = evaluation.model, evaluation.generator

    def both(x: Tensor) -> Tensor:
        one = model.classify(x, draws=1, generator=generator)
        return torch.stack([one, model.classify(x, draws=draws, generator=generator)], dim=1)

    p = _by_length(evaluation, evaluation.split, rows, both)
    return Assignment(p[:, 0], p[:, 1].argmax(1))


def clustered_codes(evaluation: Evaluation, rows: Tensor, n: int, fit: int) -> Assignment:
    """k-means on mean codes: n clusters of `fit` training utterances, told of the given rows."""
    model, generator = evaluation.model, evaluation.generator

    def codes(split: str, some: Tensor, how: Amortized | None) -> Tensor:
        def coded(x: Tensor) -> Tensor:
            return model.posterior(x, inference=how, generator=generator)

        return _by_length(evaluation, split, some, coded)

    mean = Amortized(mean=True)
    some = subset(evaluation.dataset.length("train"), fit, evaluation.seed)
    fitted = k_means(codes("train", some, mean), n, evaluation.seed)
    at_mean, at_draw = (
        torch.from_numpy(fitted.predict(codes(evaluation.split, rows, how).numpy())).long()
        for how in (mean, None)
    )
    return Assignment(one_hot(at_draw, fitted.n_clusters).double(), at_mean)


def clustered_words(
    evaluation: Evaluation, data: DialogueDataset, rows: Tensor, n: int, fit: int
) -> Assignment:
    """The same on TF-IDF of words."""
    some = subset(data.length("train"), fit, evaluation.seed)
    fitted = k_means(data.vectors("train", some), n, evaluation.seed)
    ids = torch.from_numpy(fitted.predict(data.vectors(evaluation.split, rows))).long()
    return Assignment(one_hot(ids, fitted.n_clusters).double(), ids)


@torch.no_grad()
def _by_length(
    evaluation: Evaluation, split: str, rows: Tensor, of: Callable[[Tensor], Tensor]
) -> Tensor:
    """`of` x for the given rows, in their order, computed in batches of like lengths."""
    data = text_of(evaluation)
    order = data.lengths(split)[rows].argsort(stable=True)
    device = evaluation.model.device
    parts = [of(data.batch(split, rows[at]).x.to(device)).cpu() for at in order.split(AT_ONCE)]
    return torch.cat(parts)[order.argsort()]
