"""The training of `LatentEBMClassifier`: the one training loop, then a refit of the prior."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state

from lebm_core.data.adapters import InputAdapter
from lebm_core.errors import DivergenceError
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.history import History
from lebm_core.estimators.parts import make_rule
from lebm_core.learning.refit import Refit, refit
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.callbacks import EarlyStopping
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions

__all__ = ["refitted_prior", "seed_of", "train_classifier"]

STEPS, MIN_PASSES, MAX_PASSES = 2_000, 15, 100  # of a training whose length is not given
REFIT_RULE = {
    "name": "density-ratio", "reference_samples": 2, "energy_l2": 1e-4, "code_pool": 0,
}  # fmt: skip
DRIFT_LIMIT = 5.0  # nats


def train_classifier(
    given: Mapping[str, Any],
    adapter: InputAdapter,
    model: LatentEBM,
    data: LabelledExamples,
    *,
    seed: int,
    validate: Callable[[], float] | None = None,
) -> list[dict[str, float]]:
    """Train a model in place.

    Args:
        given: the estimator's arguments.
        adapter: fitted.
        model: with an encoder and a coupled prior.
        data: the examples.
        seed: of all randomness.
        validate: a score to maximise; the weights of the best pass are kept.

    Returns:
        The means of all terms of the objective, for each pass.

    Raises:
        ValueError: where the training diverges.
    """
    batches = -(-len(data) // given["batch_size"])
    passes = given["max_iter"] or min(MAX_PASSES, max(MIN_PASSES, STEPS // batches))
    options = TrainingOptions(
        epochs=passes, lr=given["learning_rate"], schedule="cosine", log_every=batches,
        device=given["device"],
    )  # fmt: skip
    history = History(passes, bool(given["verbose"]))
    callbacks: list[Callback] = [history]
    if validate is not None:
        patience = given["n_iter_no_change"]
        callbacks.append(EarlyStopping(validate, patience, name="validation_log_likelihood"))
    try:
        train(
            model,
            data,
            make_rule(given, adapter, int((data.y >= 0).sum())),
            options,
            batch_size=given["batch_size"],
            seed=seed,
            callbacks=callbacks,
            log=_silent,
        )
    except DivergenceError as error:
        raise ValueError("The training has diverged: lower learning_rate, or scale X.") from error
    return history.terms


def refitted_prior(
    given: Mapping[str, Any], model: LatentEBM, data: LabelledExamples, passes: int, *, seed: int
) -> Prior:
    """A copy of the prior, refitted on fixed codes, for samples.

    Predictions keep the prior of the training; this one learns p(z), and the likeliest class of
    each example.

    Args:
        given: the estimator's arguments.
        model: trained.
        data: the training examples.
        passes: of the training, whose steps the refit does not exceed.
        seed: of all randomness.
    """
    steps = min(given["refit_steps"], passes * -(-len(data) // given["batch_size"]))
    prior = copy.deepcopy(model.prior)
    owner = LatentEBM(prior, model.decoder, model.encoder).eval()
    generator = torch.Generator(model.device).manual_seed(seed)
    options = Refit(steps=steps, rule=REFIT_RULE, lr=1e-3)
    refit(owner, data, options, drift_limit=DRIFT_LIMIT, generator=generator, log=_silent)
    return prior


def seed_of(state: int | np.random.RandomState | None) -> int:
    """A seed from an estimator's `random_state`."""
    return int(check_random_state(state).randint(2**31 - 1))


def _silent(line: str) -> None:
    """Progress that an estimator does not print."""
