"""Baselines that classify x itself, from the same labels as the model.

None gives a value where the examples are no vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lebm_core.base.checks import at_least
from lebm_core.evaluation import classifiers
from lebm_core.evaluation.classifiers import FewLabels, few_labels, test_rows
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value

__all__ = ["logistic", "self_training", "spreading"]


def logistic(*, classified: int = 0, spread_over: int = 5000) -> Metric:
    """Baseline logistic: logistic regression on the labelled examples alone.

    Args:
        classified: labelled examples of the split, at random; 0 for all
        spread_over: training examples that x is scaled by
    """
    return _baseline(classifiers.logistic, classified, spread_over)


def self_training(*, classified: int = 0, spread_over: int = 5000) -> Metric:
    """Baseline self_training: logistic regression that learns from its confident predictions.

    Args:
        classified: labelled examples of the split, at random; 0 for all
        spread_over: training examples without a label that it sees
    """
    return _baseline(classifiers.self_training, classified, spread_over)


def spreading(*, classified: int = 0, spread_over: int = 5000) -> Metric:
    """Baseline spreading: labels spread over a graph of nearest neighbours.

    Args:
        classified: labelled examples of the split, at random; 0 for all
        spread_over: training examples without a label that it sees
    """
    return _baseline(classifiers.spreading, classified, spread_over)


def _baseline(method: Callable[[FewLabels], Value], classified: int, spread_over: int) -> Metric:
    at_least("evaluation.classified", classified, 0)
    at_least("evaluation.spread_over", spread_over, 1)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        rows, y = test_rows(evaluation, classified)
        data = few_labels(evaluation, rows, y, spread_over, evaluation.dataset.vectors)
        return {} if data is None else {"accuracy": method(data)}

    return metric
