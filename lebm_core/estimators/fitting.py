"""The training of the estimators: the one training loop, then a refit of the prior."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor

from lebm_core.data.adapters import InputAdapter
from lebm_core.errors import DivergenceError
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.history import History
from lebm_core.estimators.parts import PENALTY
from lebm_core.estimators.prediction import antithetic_noise
from lebm_core.learning.refit import Refit, refit
from lebm_core.learning.rules import Rule
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.callbacks import EarlyStopping
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.tracking import ProgressBar, to_stderr

__all__ = ["Learned", "is_narrow", "learn", "refitted_prior", "seed_of", "train_examples"]

REFIT_RULE = {"name": "density-ratio", "reference_samples": 2, "code_pool": 0}
NARROW = 500  # columns of a matrix, up to which threads wait for each other more than they compute
DRIFT_LIMIT, REFIT_BATCH = 5.0, 200  # nats, codes


class Learned(NamedTuple):
    """What a training gives.

    Attributes:
        model: trained.
        noise: (draws, d) of the codes of every prediction.
        terms: the means of all terms of the objective, for each pass.
        prior: for samples.
    """

    model: LatentEBM
    noise: Tensor
    terms: list[dict[str, float]]
    prior: Prior


def learn(
    given: Mapping[str, Any],
    make: Callable[[], LatentEBM],
    rule: Rule,
    data: LabelledExamples,
    *,
    seed: int,
    narrow: bool,
    validate: Callable[[LatentEBM, Tensor], float] | None = None,
    before: LatentEBM | None = None,
) -> Learned:
    """Make and train a model.

    Args:
        given: the estimator's arguments, none of them open.
        make: gives the model before its training.
        rule: the learning rule.
        data: the examples.
        seed: of all randomness; no other draws of the process change.
        narrow: one thread is enough.
        validate: a score of the model and the noise, whose decline stops the training.
        before: a trained model, to continue from a copy of it.
    """
    with torch.random.fork_rng(devices=[]), _threads(1 if narrow else torch.get_num_threads()):
        torch.manual_seed(seed)
        model = copy.deepcopy(before) or make()
        noise = antithetic_noise(given["draws"], model.latent_dim)
        score = None if validate is None else partial(validate, model, noise)
        terms = train_examples(given, model, data, rule, seed=seed, validate=score)
        prior = refitted_prior(given, model, data, len(terms), seed=seed)
    return Learned(model, noise, terms, prior)


def train_examples(
    given: Mapping[str, Any],
    model: LatentEBM,
    data: LabelledExamples,
    rule: Rule,
    *,
    seed: int,
    validate: Callable[[], float] | None = None,
) -> list[dict[str, float]]:
    """Train a model in place.

    Args:
        given: the estimator's arguments, none of them open.
        model: what the rule teaches.
        data: the examples.
        rule: the learning rule.
        seed: of all randomness.
        validate: a score to maximise; the weights of the best pass are kept.

    Returns:
        The means of all terms of the objective, for each pass.

    Raises:
        ValueError: where the training diverges.
    """
    batches = -(-len(data) // given["batch_size"])
    options = TrainingOptions(
        epochs=given["max_iter"], lr=given["learning_rate"], schedule="cosine", log_every=batches,
        device=given["device"],
    )  # fmt: skip
    history = History(given["max_iter"], lines=given["verbose"] > 1)
    callbacks: list[Callback] = [history, *[ProgressBar()] * (given["verbose"] == 1)]
    if validate is not None:
        patience = given["n_iter_no_change"]
        callbacks.append(EarlyStopping(validate, patience, name="validation_log_likelihood"))
    try:
        train(
            model,
            data,
            rule,
            options,
            batch_size=given["batch_size"],
            seed=seed,
            callbacks=callbacks,
            log=to_stderr,
            name="fit",
        )
    except DivergenceError as error:
        raise ValueError("The training has diverged: lower learning_rate, or scale X.") from error
    return history.terms


def is_narrow(adapter: InputAdapter) -> bool:
    """Whether X is a matrix of so few columns that threads wait more than they compute."""
    return adapter.vectors and adapter.sizes["features"] <= NARROW


def refitted_prior(
    given: Mapping[str, Any], model: LatentEBM, data: LabelledExamples, passes: int, *, seed: int
) -> Prior:
    """A copy of the prior, refitted on fixed codes, for samples.

    Predictions keep the prior of the training; this one learns p(z), and the likeliest class of
    each example. Where x is z there is nothing to refit.

    Args:
        given: the estimator's arguments.
        model: trained.
        data: the training examples.
        passes: of the training; the refit makes at most half as many steps.
        seed: of all randomness.
    """
    if model.observed:
        return model.prior
    trained = passes * -(-len(data) // given["batch_size"])
    steps = min(given["refit_steps"], max(1, trained // 2))
    prior = copy.deepcopy(model.prior)
    owner = LatentEBM(prior, model.decoder, model.encoder).eval()
    generator = torch.Generator(model.device).manual_seed(seed)
    rule = REFIT_RULE | {"energy_l2": given.get("energy_l2", PENALTY)}
    options = Refit(steps=steps, rule=rule, lr=1e-3, batch=min(REFIT_BATCH, len(data)))
    refit(owner, data, options, drift_limit=DRIFT_LIMIT, generator=generator, log=_silent)
    return prior


def seed_of(state: int | np.random.RandomState | None) -> int:
    """A seed from an estimator's `random_state`."""
    return int(check_random_state(state).randint(2**31 - 1))


@contextmanager
def _threads(n: int) -> Iterator[None]:
    """A scope in which an operation has n threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _silent(line: str) -> None:
    """Progress that an estimator does not print."""
