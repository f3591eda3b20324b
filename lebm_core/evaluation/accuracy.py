"""The metric labels.accuracy: how well a model knows the class of an example from few labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.checks import at_least
from lebm_core.evaluation.calibration import BINS, expected_calibration_error, reliability_figure
from lebm_core.evaluation.classifiers import few_labels, logistic, spreading, test_rows
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Numbers, Value, in_row
from lebm_core.latent.amortized import Amortized

__all__ = ["accuracy"]

BATCH = 200  # examples at once


def accuracy(*, classified: int = 0, spread_over: int = 5000, label_draws: int = 10) -> Metric:
    """Metric labels.accuracy: accuracy, log-likelihood and calibration of p(y | x).

    A model without classes is judged by logistic regression on its codes; label spreading on them
    is a row of its own.

    Args:
        classified: labelled examples of the split, at random; 0 for all
        spread_over: training examples that methods which need unlabelled ones see
        label_draws: codes of an example that p(y | x) is the mean over
    """
    at_least("evaluation.classified", classified, 0)
    at_least("evaluation.spread_over", spread_over, 1)
    at_least("evaluation.label_draws", label_draws, 1)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        rows, y = test_rows(evaluation, classified)
        if evaluation.model.prior.n_classes:
            p = _classify(evaluation, rows, label_draws).numpy()
            file = evaluation.folder / "figures" / "reliability.png"
            evaluation.figure(*reliability_figure(p, y, file))
            return _judged(p, y, evaluation.split)
        data = few_labels(evaluation, rows, y, spread_over, _codes_of(evaluation))
        if data is None:
            return {}
        spread = {"accuracy": spreading(data)}
        spread = in_row("codes_spreading", spread, "label spreading on the codes")
        return {"accuracy": logistic(data), **spread}

    return metric


def _judged(p: Numbers, y: Numbers, split: str) -> dict[str, Value]:
    nats = -np.log(np.clip(p[np.arange(len(y)), y], 1e-12, None))
    what = f"expected calibration error: mean distance of accuracy and confidence, {BINS} bins"
    return {
        "accuracy": Value.share(
            p.argmax(1) == y, split, "share of examples whose likeliest class is theirs",
            better="higher",
        ),
        "label_nll": Value.mean(
            nats, split, "-log p(y | x) of the true class, nats", better="lower"
        ),
        "calibration_error": Value(
            expected_calibration_error(p, y), None, len(y), split, what, better="lower"
        ),
    }  # fmt: skip


def _classify(evaluation: Evaluation, rows: Tensor, draws: int) -> Tensor:
    model, result = evaluation.model, []
    for index in rows.split(BATCH):
        batch = evaluation.dataset.batch(evaluation.split, index).to(model.device)
        p = model.classify(
            batch.x, draws=draws, context=batch.context, generator=evaluation.generator
        )
        result.append(p.cpu())
    return torch.cat(result)


def _codes_of(evaluation: Evaluation) -> Callable[[str, Tensor], Numbers]:
    """The codes of a split's rows as vectors: the encoder's means, or a draw of the chain each."""
    model = evaluation.model
    mean = Amortized(mean=True) if model.encoder is not None else None

    def vectors(split: str, rows: Tensor) -> Numbers:
        result = []
        for index in rows.split(BATCH):
            batch = evaluation.dataset.batch(split, index).to(model.device)
            z = model.posterior(
                batch.x, inference=mean, context=batch.context, generator=evaluation.generator
            )
            result.append(z.cpu())
        return torch.cat(result).detach().numpy()

    return vectors
