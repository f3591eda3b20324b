"""Baseline energies.bernoulli-rbm: scikit-learn's machine, its likelihood by the same measure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from sklearn.neural_network import BernoulliRBM
from torch import Tensor

from lebm_core import Dataset, Evaluation, Value
from lebm_core.base.checks import positive
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Metric
from lebm_energies.data.binary import BinaryImages
from lebm_energies.metrics.rbm import Annealing, examples, measured
from lebm_energies.priors.enumeration import exact_log_z
from lebm_energies.priors.rbm import RBMPrior
from lebm_energies.priors.units import BinaryUnits

__all__ = ["bernoulli_rbm", "converted"]


def bernoulli_rbm(
    *,
    rates: Sequence[float] = (0.01, 0.02, 0.05, 0.1),
    ais_chains: int = 1000,
    ais_temperatures: int = 1000,
    ais_steps: int = 200,
) -> Metric:
    """Baseline energies.bernoulli-rbm: persistent chains, plain gradient steps.

    As many hidden units, updates and examples in each as the model has.

    Args:
        rates: learning rates, of which the one with the best exact likelihood of validation
            examples is kept.
        ais_chains: as of the metric energies.rbm.
        ais_temperatures: as of the metric energies.rbm.
        ais_steps: as of the metric energies.rbm.

    Raises:
        UsageError: for rates that are not positive, or counts that are not possible.
    """
    if not rates:
        raise UsageError("evaluation.rates = [] is too short; use at least one learning rate.")
    for rate in rates:
        positive("evaluation.rates", rate)
    annealing = Annealing(ais_chains, ais_temperatures, ais_steps)

    def baseline(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(BinaryImages, "energies.bernoulli-rbm")
        prior, recipe = evaluation.model.prior, evaluation.recipe
        if not isinstance(prior, RBMPrior) or recipe is None:
            raise UsageError('energies.bernoulli-rbm needs a run of prior.name = "rbm".')
        x = examples(data, "train").flatten(1)
        size = int(recipe.data["batch_size"])
        batches = math.ceil(len(x) / size)
        updates = recipe.training.max_steps or recipe.training.epochs * batches
        epochs = max(1, round(updates / batches))
        began = time.monotonic()
        tried = {}
        for rate in rates:
            machine = BernoulliRBM(
                prior.hidden, learning_rate=rate, batch_size=size, n_iter=epochs,
                random_state=evaluation.seed,
            ).fit(x.numpy())  # fmt: skip
            found = converted(machine, x)
            tried[rate] = found, _likelihood(found, data, "valid")
        seconds = (time.monotonic() - began) / len(rates)
        best = max(tried, key=lambda rate: tried[rate][1])
        values = measured(tried[best][0], data, evaluation.split, annealing, evaluation.generator)
        return values | {
            "rate": Value(best, None, len(tried), "valid", "learning rate that was kept"),
            "fit_seconds": Value(seconds, None, epochs, "train", "time of one fit, s"),
        }

    return baseline


def converted(machine: BernoulliRBM, x: Tensor) -> RBMPrior:
    """A fitted machine of scikit-learn as a prior, p0 fitted to examples x (N, d)."""
    hidden, d = machine.components_.shape
    prior = RBMPrior(d, hidden)
    prior.units.initialise(x)
    base = cast(BinaryUnits, prior.units).base
    with torch.no_grad():
        prior.weight.copy_(_tensor(machine.components_).T)
        prior.visible_bias.copy_(_tensor(machine.intercept_visible_) - base)
        prior.hidden_bias.copy_(_tensor(machine.intercept_hidden_))
    return prior


def _tensor(values: object) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)


@torch.no_grad()
def _likelihood(prior: RBMPrior, data: Dataset, split: str) -> float:
    x = examples(data, split if data.length(split) else "train").flatten(1)
    return float(prior.log_prob(x).double().mean()) - float(exact_log_z(prior))
