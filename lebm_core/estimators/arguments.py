"""Checks of the arguments of the estimators."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
OPEN = frozenset({  # None is a value that is chosen by the data
    "consistency", "learning_rate", "max_iter", "mutual_information", "prior_hidden", "vat",
    "vat_radius",
})  # fmt: skip
WEIGHTS = (
    "label_weight", "kl_weight", "mutual_information", "consistency", "vat", "vat_radius",
    "energy_l2",
)  # fmt: skip
WIDEST = 10**6  # dimensions of a code


def check_arguments(given: Mapping[str, Any], may_be_none: Collection[str] = ()) -> None:
    """Refuse a value of a wrong type, NaN, or out of range.

    Args:
        given: the estimator's `get_params(deep=False)`; a name that it has not is not checked.
        may_be_none: names of arguments that may be None beside those of every estimator.

    Raises:
        UsageError: naming the argument, its value and what is accepted.
    """

    def there(*names: str) -> list[str]:
        may = OPEN.union(may_be_none)
        return [n for n in names if n in given and not (given[n] is None and n in may)]

    for name in there("latent_dim"):
        whole(name, given[name], 1, WIDEST)
    for name in there("batch_size", "labelled_batch", "draws", "n_iter_no_change", "max_iter"):
        whole(name, given[name], 1)
    for name in there("refit_steps"):
        whole(name, given[name])
    d = given["latent_dim"] or 1
    fits(BATCH_SIZE * given["draws"] * d, f"draws = {given['draws']}")
    for name in there("prior_hidden"):
        widths(name, given[name])
    for name in there(*WEIGHTS):
        at_least(name, given[name], 0)
    for name in there("learning_rate"):
        positive(name, given[name])
    for name in there("masked", "validation_fraction"):
        share(name, given[name])
    if given.get("validation_fraction") == 0:
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
        if name not in given:
            continue
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
        if name in given and not isinstance(given[name], (bool, np.bool_)):
            raise UsageError(f"{name} = {shown(given[name])} must be True or False.")
    if not isinstance(given["verbose"], (bool, int, np.bool_)):
        raise UsageError(f"verbose = {shown(given['verbose'])} must be 0, 1 or 2.")
    if np.ndim(given.get("unlabelled", -1)):
        raise UsageError(f"unlabelled = {shown(given['unlabelled'])} must be one value, or None.")
    if str(given["device"]) not in ("cpu", "cuda"):
        raise UsageError(f'device = {shown(given["device"])} is unknown; use "cpu" or "cuda".')
    if str(given["device"]) == "cuda" and not torch.cuda.is_available():
        raise UsageError('device = "cuda", but torch finds no GPU here; use "cpu".')
