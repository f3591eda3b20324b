"""The training of the estimators: the one training loop."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state
from torch import Tensor

from lebm_core.data.adapters import InputAdapter
from lebm_core.errors import DivergenceError
from lebm_core.estimators.defaults import MEMORY
from lebm_core.estimators.examples import LabelledExamples
from lebm_core.estimators.prediction import antithetic_noise
from lebm_core.estimators.sampling import SamplingPrior, own_draws
from lebm_core.learning.rules import Rule
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.callback import Callback
from lebm_core.run.training.callbacks import EarlyStopping
from lebm_core.run.training.loop import train
from lebm_core.run.training.options import TrainingOptions
from lebm_core.run.training.state import TrainingState
from lebm_core.run.training.tracking import ProgressBar, to_stderr

__all__ = ["History", "Learned", "is_narrow", "learn", "seed_of", "train_examples"]

BOOKKEEPING = ("step", "epoch", "seconds", "examples")
NARROW = 500  # columns of a matrix, up to which threads wait for each other more than they compute


class Learned(NamedTuple):
    """What a training gives.

    Attributes:
        model: trained.
        noise: (draws, d) of the codes of every prediction.
        terms: the means of all terms of the objective, for each pass.
        sampling: the prior that samples are drawn from.
    """

    model: LatentEBM
    noise: Tensor
    terms: list[dict[str, float]]
    sampling: SamplingPrior


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
    with own_draws(seed, narrow):
        model = copy.deepcopy(before) or make()
        noise = antithetic_noise(given["draws"], model.latent_dim)
        score = None if validate is None else partial(validate, model, noise)
        terms = train_examples(given, model, data, rule, seed=seed, validate=score)
        sampling = SamplingPrior.of(given, model, data, len(terms), seed=seed, narrow=narrow)
    return Learned(model, noise, terms, sampling)


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
        device=given["device"], beta1=given.get("beta1", MEMORY),
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


def seed_of(state: int | np.random.RandomState | None) -> int:
    """A seed from an estimator's `random_state`."""
    return int(check_random_state(state).randint(2**31 - 1))


class History(Callback):
    """Collects the terms of the objective for `history_`, a dictionary for each report.

    Args:
        passes: of the whole training, for the printed lines.
        lines: print a line for each pass.

    Attributes:
        terms: means of all terms since the report before.
    """

    def __init__(self, passes: int, lines: bool) -> None:
        self.passes, self.lines = passes, lines
        self.terms: list[dict[str, float]] = []

    def after_report(self, state: TrainingState, record: dict[str, Any]) -> None:
        # "loss/", "gradient/" and "lr/" are about the parts; the terms have plain names.
        terms = {k: v for k, v in record.items() if "/" not in k and k not in BOOKKEEPING}
        self.terms.append(terms)
        if self.lines:
            line = "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
            print(f"pass {len(self.terms)}/{self.passes}  {line}")
