"""Agreement of classes with labels, and mutual information: as published, and pooled.

Homogeneity, V-measure: Rosenberg and Hirschberg, EMNLP 2007. Adjusted mutual information: Vinh,
Epps and Bailey, JMLR 2010. The published estimators are means over mini-batches: with more classes
than a batch has examples, each is nearly alone in its class, and random classes look pure.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import (
    adjusted_mutual_info_score,
    homogeneity_completeness_v_measure,
    homogeneity_score,
)
from torch import Tensor

from lebm_text.metrics.text_scores import Score

__all__ = [
    "Agreement",
    "agreement",
    "batch_homogeneity",
    "batch_information",
    "information",
    "mean_of",
]


class Agreement(NamedTuple):
    """Scores of pooled examples, each in [0, 1] but the last, which is 0 by chance."""

    homogeneity: Score
    v_measure: Score
    adjusted_information: Score


def mean_of(values: Tensor) -> Score:
    """Return the mean of (N,) values, and its standard error; NaN for one value."""
    n = len(values)
    error = float(values.double().std()) / math.sqrt(n) if n > 1 else math.nan
    return Score(float(values.double().mean()), error)


def information(p: Tensor) -> Score:
    """Return the plug-in estimate of I(z; y) in nats, H(mean p) - mean H(p), from p(y | z), (N, C).

    It cannot exceed log N, nor log C.
    """
    p = p.double()
    mean = p.mean(0)
    # Each row's KL to the mean: to first order the estimate is their mean.
    return mean_of((torch.xlogy(p, p) - torch.xlogy(p, mean)).sum(1))


def batch_information(p: Tensor, size: int) -> Score:
    """Return the same, a mean over consecutive batches of `size` rows.

    A last batch that is not whole is left out. The result cannot exceed log `size`.
    """
    return mean_of(torch.tensor([information(each).value for each in _whole(p, size)]))


def batch_homogeneity(labels: Tensor, classes: Tensor, size: int) -> Score:
    """Return the mean of the homogeneity 1 - H(label | class) / H(label) in consecutive batches.

    A batch of one label alone counts as 1. For comparison with published tables only: 30 examples
    in 125 random classes have 0.9.

    Args:
        labels, classes: (N,) ids.
        size: of a batch; the last one is left out where it is not whole.
    """
    pairs = zip(_whole(labels, size), _whole(classes, size), strict=True)
    return mean_of(torch.tensor([float(homogeneity_score(a.numpy(), b.numpy())) for a, b in pairs]))


def agreement(
    labels: Tensor, classes: Tensor, groups: Tensor, *, resamples: int = 50, seed: int = 0
) -> Agreement:
    """Return homogeneity, V-measure and adjusted mutual information over all examples.

    Args:
        labels, classes: (N,) ids.
        groups: (N,) which examples belong together, such as a dialogue's: the standard errors are
            those of a bootstrap over groups.
        resamples: of the bootstrap; 0 for no errors.
        seed: of the bootstrap.
    """
    own = _scores(labels, classes)
    draw = np.random.default_rng(seed)
    members = [(groups == g).nonzero().squeeze(1) for g in groups.unique()] if resamples else []
    again = []
    for _ in range(resamples):
        rows = torch.cat([members[i] for i in draw.integers(len(members), size=len(members))])
        again.append(_scores(labels[rows], classes[rows]))
    errors = np.std(again, axis=0, ddof=1) if resamples > 1 else np.full(3, math.nan)
    return Agreement(*(Score(v, float(e)) for v, e in zip(own, errors, strict=True)))


def _scores(labels: Tensor, classes: Tensor) -> tuple[float, float, float]:
    a, b = labels.numpy(), classes.numpy()
    homogeneity, _, v = homogeneity_completeness_v_measure(a, b)
    return float(homogeneity), float(v), float(adjusted_mutual_info_score(a, b))


def _whole(rows: Tensor, size: int) -> list[Tensor]:
    """Consecutive batches of `size`; all rows as one where there are fewer."""
    whole = len(rows) // size * size
    return list(rows[:whole].split(size)) if whole else [rows]
