"""Classifiers of vectors that see the same labels as the model: for codes, and for baselines on x.

What they learn from is chosen as the model's own labelled examples are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from torch import Tensor

from lebm_core.data.dataset import subset
from lebm_core.data.labels import choose_labelled, labels_of
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Numbers, Value

__all__ = ["FewLabels", "few_labels", "logistic", "self_training", "spreading", "test_rows"]

FOLDS, PENALTIES = 5, [0.01, 0.1, 1.0, 10.0, 100.0]  # of logistic regression: C, small is strong
NEIGHBOURS, ITERATIONS, THRESHOLD = 7, 2000, 0.9


@dataclass
class FewLabels:
    """Vectors to learn from, few of them with a label, and vectors to classify.

    Attributes:
        x: (N, features), an array or a sparse matrix; those with a label first.
        y: (N,) their classes, -1 where hidden.
        labelled: how many have a label.
        test: (n, features).
        test_y: (n,) their classes.
        split: of the test examples.
    """

    x: Any
    y: Numbers
    labelled: int
    test: Any
    test_y: Numbers
    split: str

    def accuracy(self, guess: Numbers, method: str) -> Value:
        """The share of the test examples that are guessed right.

        Args:
            guess: (n,) classes.
            method: how, for the reader of the table.
        """
        what = "share of examples whose likeliest class is theirs"
        right = guess == self.test_y
        return Value.share(right, self.split, what, {"baseline": method}, better="higher")


def test_rows(evaluation: Evaluation, classified: int) -> tuple[Tensor, Numbers]:
    """Rows of the split that have a label, at most `classified` of them at random, and the labels.

    Raises:
        UsageError: where none has.
    """
    y = labels_of(evaluation.dataset, evaluation.split)
    known = (y >= 0).nonzero().squeeze(1)
    if not len(known):
        raise UsageError(f"No example of the {evaluation.split} split has a label.")
    rows = known[subset(len(known), classified, evaluation.seed)]
    return rows, y[rows].numpy()


def few_labels(
    evaluation: Evaluation,
    rows: Tensor,
    y: Numbers,
    spread_over: int,
    vectors: Callable[[str, Tensor], Any],
) -> FewLabels | None:
    """The examples that a classifier sees: those whose label the model saw, and unlabelled ones.

    Args:
        evaluation: of a model.
        rows: of the test examples.
        y: their classes.
        spread_over: unlabelled training examples, at random.
        vectors: the examples of a split with the given row numbers as vectors, or None.

    Returns:
        None where examples are no vectors, or the labelled ones are all of one class.
    """
    given = labels_of(evaluation.dataset, "train")
    labelled = choose_labelled(given, evaluation.labels, evaluation.seed)
    others = subset(evaluation.dataset.length("train"), spread_over, evaluation.seed)
    seen = torch.cat([labelled, others[~torch.isin(others, labelled)]])
    x, test = vectors("train", seen), vectors(evaluation.split, rows)
    if x is None or test is None or len(given[labelled].unique()) < 2:
        return None
    known = np.where(np.arange(len(seen)) < len(labelled), given[seen].numpy(), -1)
    x, test = _scaled(x, test)
    return FewLabels(x, known, len(labelled), test, y, evaluation.split)


def logistic(data: FewLabels) -> Value:
    """The accuracy of logistic regression on the labelled examples alone."""
    model = _logistic(data)
    return data.accuracy(model.predict(data.test), f"the labelled alone, C = {model.C:g}")


def self_training(data: FewLabels) -> Value:
    """The accuracy of logistic regression that learns from its own confident predictions."""
    model = _logistic(data)
    if (data.y < 0).any():  # else there is nothing to teach it
        model = SelfTrainingClassifier(clone(model), threshold=THRESHOLD).fit(data.x, data.y)
    method = f"threshold {THRESHOLD}, {data.x.shape[0]} examples"
    return data.accuracy(model.predict(data.test), method)


def spreading(data: FewLabels) -> Value:
    """The accuracy of labels spread over a graph of nearest neighbours (Zhou et al. 2004)."""
    n = data.x.shape[0]
    model = LabelSpreading(kernel="knn", n_neighbors=min(NEIGHBOURS, n))
    with np.errstate(invalid="ignore", divide="ignore"):  # unreached: the first class
        guess = model.fit(data.x, data.y).predict(data.test)
    return data.accuracy(guess, f"{NEIGHBOURS} neighbours, {n} examples")


def _logistic(data: FewLabels) -> LogisticRegression:
    """Fit to the labelled examples, the penalty chosen by cross-validation among them."""
    x, y = data.x[: data.labelled], data.y[: data.labelled]
    folds = min(FOLDS, int(np.unique(y, return_counts=True)[1].min()))
    plain = LogisticRegression(max_iter=ITERATIONS)
    if folds < 2:  # one example of a class cannot be held out
        return plain.fit(x, y)
    search = GridSearchCV(plain, {"C": PENALTIES}, cv=StratifiedKFold(folds))
    return search.fit(x, y).best_estimator_


def _scaled(x: Any, test: Any) -> tuple[Any, Any]:
    """Scale both so that x has variance 1; a sparse matrix is not centred and stays sparse."""
    if issparse(x):
        scale = float(np.sqrt(x.multiply(x).sum() / x.shape[0])) or 1.0  # rows of length 1
        return csr_matrix(x / scale), csr_matrix(test / scale)
    scaler = StandardScaler(with_std=False).fit(x)
    scale = float(np.sqrt(scaler.transform(x).var())) or 1.0
    return scaler.transform(x) / scale, scaler.transform(test) / scale
