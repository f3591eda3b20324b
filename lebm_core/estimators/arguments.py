"""Checks of the arguments of `LatentEBMClassifier`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.base.checks import at_least, fits, positive, share, whole, widths
from lebm_core.errors import UsageError, shown
from lebm_core.estimators.parts import OPTIONS
from lebm_core.estimators.prediction import BATCH_SIZE
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder

__all__ = ["STRUCTURE", "check_arguments", "check_continued"]

STRUCTURE = (
    "decoder",
    "encoder",
    "latent_dim",
    "prior_hidden",
    *OPTIONS,
)  # what a model is made of
WIDEST = 10**6  # dimensions of a code


def check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse a value of a wrong type, NaN, or out of range.

    Args:
        given: the estimator's `get_params(deep=False)`.

    Raises:
        UsageError: naming the argument, its value and what is accepted.
    """
    whole("latent_dim", given["latent_dim"], 1, WIDEST)
    for name in ("batch_size", "labelled_batch", "draws", "n_iter_no_change"):
        whole(name, given[name], 1)
    whole("refit_steps", given["refit_steps"])
    fits(BATCH_SIZE * given["draws"] * given["latent_dim"], f"draws = {given['draws']}")
    if given["prior_hidden"] is not None:
        widths("prior_hidden", given["prior_hidden"])
    for name in ("label_weight", "kl_weight"):
        at_least(name, given[name], 0)
    for name in ("mutual_information", "consistency", "vat", "vat_radius"):
        if given[name] is not None:
            at_least(name, given[name], 0)
    if given["max_iter"] is not None:
        whole("max_iter", given["max_iter"], 1)
    if given["learning_rate"] is not None:
        positive("learning_rate", given["learning_rate"])
    share("masked", given["masked"])
    share("validation_fraction", given["validation_fraction"])
    if given["validation_fraction"] == 0:
        raise UsageError("validation_fraction = 0 is not possible; use a share above 0.")
    _check_kinds(given)


def check_continued(
    made: Mapping[str, Any], given: Mapping[str, Any], before: NDArray[Any], classes: NDArray[Any]
) -> None:
    """Refuse to continue with a model that is another than what is asked for.

    Args:
        made: the arguments `STRUCTURE` that the model was made from.
        given: the estimator's arguments now.
        before: (C,) the model's classes.
        classes: (C,) those of y now.

    Raises:
        UsageError: naming the argument, or the classes.
    """
    for name, value in made.items():
        if given[name] is not value and given[name] != value:
            raise UsageError(
                f"warm_start = True continues with the model of {name} = {shown(value)}, not "
                f"{shown(given[name])}; use warm_start = False."
            )
    if list(before) != list(classes):
        raise UsageError(
            f"warm_start = True continues with the classes {_listed(before)}, and y has "
            f"{_listed(classes)}; use warm_start = False, or labels of the same classes."
        )


def _listed(classes: NDArray[Any]) -> str:
    return shown(classes.tolist()).strip('"')


def _check_kinds(given: Mapping[str, Any]) -> None:
    for name, kind in (("decoder", Decoder), ("encoder", Encoder)):
        named = isinstance(given[name], str) if name == "decoder" else given[name] is None
        if not named and not isinstance(given[name], kind):
            raise UsageError(
                f"{name} = {shown(given[name])} is no {kind.__name__}; give "
                + ("the name of one, or an object." if name == "decoder" else "an object, or None.")
            )
    for name in OPTIONS:
        if given[name] is not None and not isinstance(given[name], Mapping):
            raise UsageError(f"{name} = {shown(given[name])} must be a dictionary, or None.")
    for name in ("early_stopping", "warm_start"):
        if not isinstance(given[name], (bool, np.bool_)):
            raise UsageError(f"{name} = {shown(given[name])} must be True or False.")
    if not isinstance(given["verbose"], (bool, int, np.bool_)):
        raise UsageError(f"verbose = {shown(given['verbose'])} must be 0, 1 or 2.")
    if np.ndim(given["unlabelled"]):
        raise UsageError(f"unlabelled = {shown(given['unlabelled'])} must be one value, or None.")
    if str(given["device"]) not in ("cpu", "cuda"):
        raise UsageError(f'device = {shown(given["device"])} is unknown; use "cpu" or "cuda".')
    if str(given["device"]) == "cuda" and not torch.cuda.is_available():
        raise UsageError('device = "cuda", but torch finds no GPU here; use "cpu".')
