"""Checks of the arguments of `LatentEBMClassifier`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from lebm_core.base.checks import at_least, fits, positive, share, whole, widths
from lebm_core.errors import UsageError, shown
from lebm_core.estimators.parts import OPTIONS
from lebm_core.estimators.prediction import BATCH_SIZE
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder

__all__ = ["check_arguments"]

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
    widths("prior_hidden", given["prior_hidden"])
    for name in ("label_weight", "mutual_information", "consistency", "kl_weight"):
        at_least(name, given[name], 0)
    for name in ("vat", "vat_radius"):
        if given[name] is not None:
            at_least(name, given[name], 0)
    if given["max_iter"] is not None:
        whole("max_iter", given["max_iter"], 1)
    positive("learning_rate", given["learning_rate"])
    share("masked", given["masked"])
    share("validation_fraction", given["validation_fraction"])
    if given["validation_fraction"] == 0:
        raise UsageError("validation_fraction = 0 is not possible; use a share above 0.")
    _check_kinds(given)


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
    for name, kinds in (("early_stopping", (bool, np.bool_)), ("verbose", (bool, int, np.bool_))):
        if not isinstance(given[name], kinds):
            raise UsageError(f"{name} = {shown(given[name])} must be True or False.")
    if np.ndim(given["unlabelled"]):
        raise UsageError(f"unlabelled = {shown(given['unlabelled'])} must be one value, or None.")
    if str(given["device"]) not in ("cpu", "cuda"):
        raise UsageError(f'device = {shown(given["device"])} is unknown; use "cpu" or "cuda".')
    if str(given["device"]) == "cuda" and not torch.cuda.is_available():
        raise UsageError('device = "cuda", but torch finds no GPU here; use "cpu".')
