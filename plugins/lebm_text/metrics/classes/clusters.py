"""The class or cluster of each utterance: a coupled prior's classes, or k-means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core.data.dataset import subset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.inference import Inference
from lebm_text.data.labelled.dailydialog import DialogueDataset

__all__ = ["Assignment", "assigned", "clustered_codes", "clustered_words", "k_means"]

AT_ONCE = 128


@dataclass
class Assignment:
    """The classes of N examples.

    Attributes:
        p: (N, C) p(y | z) of one code z ~ q(z | x); 0 and 1 for clusters.
        of_x: (N,) argmax of p(y | x), for clusters that of the mean code.
    """

    p: Tensor
    of_x: Tensor


def assigned(evaluation: Evaluation, data: DialogueDataset, rows: Tensor, draws: int) -> Assignment:
    """Return the classes of a coupled prior for the given rows of the split, in their order.

    Args:
        evaluation: its model's prior is coupled.
        data: its data set.
        rows: (N,) row numbers.
        draws: codes that p(y | x) is the mean over.
    """
    model, generator = evaluation.model, evaluation.generator

    def both(x: Tensor) -> Tensor:
        one = model.classify(x, draws=1, generator=generator)
        return torch.stack([one, model.classify(x, draws=draws, generator=generator)], dim=1)

    p = _by_length(evaluation, data, evaluation.split, rows, both)
    return Assignment(p[:, 0], p[:, 1].argmax(1))


def clustered_codes(
    evaluation: Evaluation, data: DialogueDataset, rows: Tensor, n: int, fit: int
) -> Assignment:
    """Return n k-means clusters of mean codes, fitted to `fit` training utterances."""
    model, generator = evaluation.model, evaluation.generator

    def codes(split: str, some: Tensor, inference: Inference | None) -> Tensor:
        def encode(x: Tensor) -> Tensor:
            return model.posterior(x, inference=inference, generator=generator)

        return _by_length(evaluation, data, split, some, encode)

    mean = Amortized(mean=True)
    some = subset(data.length("train"), fit, evaluation.seed)
    fitted = k_means(codes("train", some, mean).numpy(), n, evaluation.seed)
    at_mean, at_draw = (
        torch.from_numpy(fitted.predict(codes(evaluation.split, rows, inference).numpy())).long()
        for inference in (mean, None)
    )
    return Assignment(one_hot(at_draw, fitted.n_clusters).double(), at_mean)


def clustered_words(
    evaluation: Evaluation, data: DialogueDataset, rows: Tensor, n: int, fit: int
) -> Assignment:
    """Return n k-means clusters of the TF-IDF of words, fitted to `fit` training utterances."""
    some = subset(data.length("train"), fit, evaluation.seed)
    fitted = k_means(data.vectors("train", some), n, evaluation.seed)
    ids = torch.from_numpy(fitted.predict(data.vectors(evaluation.split, rows))).long()
    return Assignment(one_hot(ids, fitted.n_clusters).double(), ids)


def k_means(x: Any, n: int, seed: int) -> Any:
    """Fit k-means (the best of 3 starts) with n clusters, or as many as there are rows."""
    return KMeans(min(n, x.shape[0]), n_init=3, max_iter=100, random_state=seed).fit(x)


@torch.no_grad()
def _by_length(
    evaluation: Evaluation,
    data: DialogueDataset,
    split: str,
    rows: Tensor,
    of: Callable[[Tensor], Tensor],
) -> Tensor:
    """`of` x for the given rows, in their order, computed in batches of similar length."""
    order = data.lengths(split)[rows].argsort(stable=True)
    device = evaluation.model.device
    parts = [of(data.batch(split, rows[at]).x.to(device)).cpu() for at in order.split(AT_ONCE)]
    return torch.cat(parts)[order.argsort()]
