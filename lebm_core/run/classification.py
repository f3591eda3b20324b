"""The metric labels.accuracy: p(y | x) of a model with few labels, beside plain baselines.

The baselines see the same labelled examples: on x those that need no model, on the codes of a
control without classes (a VAE) those that do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from torch import Tensor

from lebm_core.data import subset
from lebm_core.errors import UsageError
from lebm_core.inference import Amortized
from lebm_core.labels import choose_labelled, labels_of
from lebm_core.run.evaluation import Evaluation, Metric, Value

__all__ = ["accuracy", "expected_calibration_error", "reliability"]

AT_ONCE, BINS, NEIGHBOURS, ITERATIONS = 200, 10, 7, 2000
FOLDS, PENALTIES = 5, [0.01, 0.1, 1.0, 10.0, 100.0]  # of logistic regression: C, small is strong
Numbers = NDArray[Any]


def accuracy(*, classified: int = 0, spread_over: int = 5000, label_draws: int = 10) -> Metric:
    """The metric labels.accuracy: accuracy, log-likelihood and calibration of p(y | x).

    Args:
        classified: labelled examples of the split, at random; 0 for all
        spread_over: training examples that the baselines which need unlabelled ones see
        label_draws: codes of an example that p(y | x) is the mean over
    """
    for name, value, least in (
        ("classified", classified, 0), ("spread_over", spread_over, 1),
        ("label_draws", label_draws, 1),
    ):  # fmt: skip
        if value < least:
            raise UsageError(f"evaluation.{name} = {value} must be at least {least}.")

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data, split = evaluation.dataset, evaluation.split
        true = labels_of(data, split)
        known = (true >= 0).nonzero().squeeze(1)
        if not len(known):
            raise UsageError(f"labels.accuracy: no example of the {split} split has a label.")
        rows = known[subset(len(known), classified, evaluation.seed)]
        y = true[rows].numpy()
        if evaluation.model.prior.n_classes:
            p = _classify(evaluation, rows, label_draws).numpy()
            file = evaluation.folder / "figures" / "reliability.png"
            evaluation.figure(*_reliability_figure(p, y, file))
            values = _own(p, y, split)
            if evaluation.name == "model":
                values |= _baselines(evaluation, rows, y, spread_over, data.vectors)
            return values

        def codes(which: str, some: Tensor) -> Numbers:
            return _codes(evaluation, which, some)

        found = _baselines(evaluation, rows, y, spread_over, codes)
        named = {"logistic/accuracy": "accuracy", "spreading/accuracy": "codes_spreading/accuracy"}
        return {named[key]: value for key, value in found.items() if key in named}

    return metric


def _own(p: Numbers, y: Numbers, split: str) -> dict[str, Value]:
    n = len(y)
    right = p.argmax(1) == y
    log = -np.log(np.clip(p[np.arange(n), y], 1e-12, None))
    return {
        "accuracy": _share(right, split, "share of examples whose likeliest class is theirs"),
        "label_nll": Value(
            float(log.mean()), float(log.std(ddof=1) / n**0.5) if n > 1 else None, n, split,
            "-log p(y | x) of the true class, nats",
        ),
        "calibration_error": Value(
            expected_calibration_error(p, y), None, n, split,
            f"expected calibration error: mean distance of accuracy and confidence, {BINS} bins",
        ),
    }  # fmt: skip


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


def _share(
    right: NDArray[np.bool_], split: str, definition: str, extra: dict[str, Any] | None = None
) -> Value:
    p, n = float(right.mean()), len(right)
    return Value(p, (p * (1 - p) / n) ** 0.5, n, split, definition, extra=extra or {})


def _classify(evaluation: Evaluation, rows: Tensor, draws: int) -> Tensor:
    model, data = evaluation.model, evaluation.dataset
    found = []
    for some in rows.split(AT_ONCE):
        batch = data.batch(evaluation.split, some).to(model.device)
        p = model.classify(
            batch.x, draws=draws, context=batch.context, generator=evaluation.generator
        )
        found.append(p.cpu())
    return torch.cat(found)


def _codes(evaluation: Evaluation, split: str, rows: Tensor) -> Numbers:
    """The encoder's means, or one draw of the chain, (n, d)."""
    model = evaluation.model
    mean = Amortized(mean=True) if model.encoder is not None else None
    found = []
    for some in rows.split(AT_ONCE):
        batch = evaluation.dataset.batch(split, some).to(model.device)
        z = model.posterior(
            batch.x, inference=mean, context=batch.context, generator=evaluation.generator
        )
        found.append(z.cpu())
    return torch.cat(found).detach().numpy()


def expected_calibration_error(p: Numbers, y: Numbers) -> float:
    """The mean of |accuracy - confidence| over bins of confidence (Guo et al. 2017)."""
    return float(sum(share * abs(right - said) for said, right, share in reliability(p, y)))


def reliability(p: Numbers, y: Numbers) -> list[tuple[float, float, float]]:
    """(mean confidence, accuracy, share of examples) of each bin that holds any.

    Args:
        p: (n, C) probabilities.
        y: (n,) true classes.
    """
    confidence, right = p.max(1), p.argmax(1) == y
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        (float(confidence[mine].mean()), float(right[mine].mean()), float(mine.mean()))
        for mine in (bins == b for b in range(BINS))
        if mine.any()
    ]


def _reliability_figure(p: Numbers, y: Numbers, file: Any) -> tuple[Any, str]:
    from matplotlib.figure import Figure

    said, right, share = map(list, zip(*reliability(p, y), strict=True))
    figure = Figure(figsize=(3.6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
    axis.plot(said, right, color="#1f4e79", lw=1)
    axis.scatter(said, right, s=[10 + 200 * each for each in share], color="#1f4e79")
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    caption = "Reliability of p(y | x): perfect on the diagonal; area is the share of examples."
    return file, caption
