"""Plain classifiers that see the same labels: rows of comparison for labels.accuracy."""

from __future__ import annotations

from collections.abc import Callable
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
from lebm_core.evaluation.calibration import ITERATIONS, NEIGHBOURS
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Numbers, Value, _share

__all__ = []
FOLDS, PENALTIES = 5, [0.01, 0.1, 1.0, 10.0, 100.0]  # of logistic regression: C, small is strong


def _baselines(
    evaluation: Evaluation,
    rows: Tensor,
    y: Numbers,
    spread_over: int,
    features: Callable[[str, Tensor], Any],
) -> dict[str, Value]:
    """Accuracy by row; nothing where examples are no vectors."""
    data, split = evaluation.dataset, evaluation.split
    given = labels_of(data, "train")
    labelled = choose_labelled(given, evaluation.recipe.learning.labels, evaluation.seed)
    others = subset(data.length("train"), spread_over, evaluation.seed)
    seen = torch.cat([labelled, others[~torch.isin(others, labelled)]])
    x, test = features("train", seen), features(split, rows)
    if x is None or test is None or len(given[labelled].unique()) < 2:
        return {}
    known = np.where(np.arange(len(seen)) < len(labelled), given[seen].numpy(), -1)
    n = len(labelled)
    x, test = _scaled(x, test)

    logistic = _logistic(x[:n], known[:n])
    spreading = LabelSpreading(kernel="knn", n_neighbors=min(NEIGHBOURS, x.shape[0]))
    # Whom no label reaches gets the first class.
    with np.errstate(invalid="ignore", divide="ignore"):
        spreading.fit(x, known)
        spread = spreading.predict(test)
    taught = logistic  # where every example has a label there is nothing to teach it
    if (known < 0).any():
        taught = SelfTrainingClassifier(clone(logistic), threshold=0.9).fit(x, known)
    guesses = {
        "logistic": (logistic.predict(test), f"the labelled alone, C = {logistic.C:g}"),
        "self_training": (taught.predict(test), f"threshold 0.9, {x.shape[0]} examples"),
        "spreading": (spread, f"{NEIGHBOURS} neighbours, {x.shape[0]} examples"),
    }
    what = "share of examples whose likeliest class is theirs"
    return {
        f"{name}/accuracy": _share(guess == y, split, what, {"baseline": how})
        for name, (guess, how) in guesses.items()
    }


def _logistic(x: Any, y: Numbers) -> LogisticRegression:
    """Fitted to the labelled examples, its penalty chosen by cross-validation among them."""
    folds = min(FOLDS, int(np.unique(y, return_counts=True)[1].min()))
    plain = LogisticRegression(max_iter=ITERATIONS)
    if folds < 2:  # one example of a class cannot be held out
        return plain.fit(x, y)
    search = GridSearchCV(plain, {"C": PENALTIES}, cv=StratifiedKFold(folds))
    found: LogisticRegression = search.fit(x, y).best_estimator_
    return found


def _scaled(x: Any, test: Any) -> tuple[Any, Any]:
    """Both in units in which x has variance 1; sparse ones are not centred, and stay sparse."""
    if issparse(x):
        scale = float(np.sqrt(x.multiply(x).sum() / x.shape[0])) or 1.0  # rows of length 1
        return csr_matrix(x / scale), csr_matrix(test / scale)
    scaler = StandardScaler(with_std=False).fit(x)
    scale = float(np.sqrt(scaler.transform(x).var())) or 1.0
    return scaler.transform(x) / scale, scaler.transform(test) / scale
