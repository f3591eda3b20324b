"""The metric labels.accuracy: p(y | x) of a model with few labels, beside plain baselines.

The baselines see the same labelled examples: on x those that need no model, on the codes of a
control without classes (a VAE) those that do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lebm_core.baselines.classifiers import _baselines
from lebm_core.data.dataset import subset
from lebm_core.data.labels import labels_of
from lebm_core.errors import UsageError
from lebm_core.evaluation.calibration import (
    AT_ONCE,
    BINS,
    _reliability_figure,
    expected_calibration_error,
)
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Numbers, Value, _share
from lebm_core.latent.amortized import Amortized

__all__ = ["accuracy"]


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
