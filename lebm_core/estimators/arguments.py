"""What the arguments of `LatentEBMClassifier` name: looked at, and made."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lebm_core.data.adapters import Inputs, Tensors
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.coupled import CoupledPrior
from lebm_core.registry.components import component
from lebm_core.registry.registry import registry

if TYPE_CHECKING:
    from lebm_core.data.dataset import BatchSource
    from lebm_core.estimators.classifier import LatentEBMClassifier

__all__ = ["check_arguments", "make_inputs", "make_model"]

CHAIN_STEPS, CHAIN_STEP_SIZE = 300, 0.4
OPTIONS = ("input_options", "decoder_options", "encoder_options")


def check_arguments(given: LatentEBMClassifier) -> None:
    """Sees that each number is one that it can be.

    Raises:
        ValueError: where one is not, with what is accepted.
    """
    rules: dict[str, tuple[bool, str]] = {
        "latent_dim": (given.latent_dim >= 1, "at least 1"),
        "batch_size": (given.batch_size >= 1, "at least 1"),
        "labelled_batch": (given.labelled_batch >= 1, "at least 1"),
        "draws": (given.draws >= 1, "at least 1"),
        "max_iter": (given.max_iter is None or given.max_iter >= 1, "at least 1, or None"),
        "learning_rate": (given.learning_rate > 0, "above 0"),
        "label_weight": (given.label_weight >= 0, "0 or more"),
        "kl_weight": (given.kl_weight >= 0, "0 or more"),
        "mutual_information": (given.mutual_information >= 0, "0 or more"),
        "smoothness": ((given.smoothness or 0) >= 0, "0 or more, or None"),
        "smoothness_radius": ((given.smoothness_radius or 0) >= 0, "0 or more, or None"),
        "consistency": (given.consistency >= 0, "0 or more"),
        "consistency_hidden": (0 <= given.consistency_hidden < 1, "from 0 to below 1"),
        "unlabelled": (given.unlabelled == given.unlabelled, "a value that equals itself"),
        "validation_fraction": (0 < given.validation_fraction < 1, "between 0 and 1"),
        "finish_steps": (given.finish_steps >= 0, "0 or more"),
        "n_iter_no_change": (given.n_iter_no_change >= 1, "at least 1"),
    }
    for name, (good, accepted) in rules.items():
        if not good:
            raise ValueError(f"{name} = {getattr(given, name)} must be {accepted}.")


def make_inputs(given: LatentEBMClassifier) -> Inputs:
    """How X becomes what the decoder models, not fitted yet.

    Raises:
        ValueError: for an unknown decoder or option, or parts that do not go together.
    """
    if isinstance(given.decoder, str):
        if given.encoder is not None:
            raise ValueError(f'"{given.decoder}" brings its own encoder: leave encoder None.')
        try:
            make: Callable[..., Inputs] = registry().get("inputs", given.decoder)
        except UsageError as error:
            raise ValueError(str(error)) from None
        inputs = make(**_known_options(make, "input_options", given.input_options))
        inputs.decoder_options = dict(given.decoder_options or {})
        return inputs
    if given.encoder is None:
        raise ValueError("A decoder object needs an encoder object: encoder=...")
    for name in OPTIONS:
        if getattr(given, name):
            raise ValueError(f"{name} is for a decoder by name: an object has its own.")
    return Tensors()


def make_model(
    given: LatentEBMClassifier, inputs: Inputs, classes: int, data: BatchSource
) -> LatentEBM:
    """The model before its training; objects that were given are copied.

    Args:
        given: the estimator, for its arguments.
        inputs: fitted.
        classes: how many.
        data: the training examples, for what a decoder begins with.

    Raises:
        ValueError: for an unknown option, or parts whose z differ.
    """
    prior = CoupledPrior(
        given.latent_dim, classes, given.prior_hidden,
        steps=CHAIN_STEPS, step_size=CHAIN_STEP_SIZE,
    )  # fmt: skip
    if isinstance(given.decoder, str):
        decoder = _component(given, inputs, "decoders", inputs.decoder, "decoder_options")
        decoder.initialise(data)
        encoder = _component(given, inputs, "encoders", inputs.encoder, "encoder_options")
    else:
        decoder, encoder = copy.deepcopy(given.decoder), copy.deepcopy(given.encoder)
    try:
        return LatentEBM(prior, decoder, encoder)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _component(given: LatentEBMClassifier, inputs: Inputs, kind: str, name: str, key: str) -> Any:
    options = dict(getattr(inputs, key.replace("options", "defaults")))
    options |= _known_options(registry().get(kind, name), key, getattr(given, key))
    try:
        return component(kind, {"name": name, **options}, given.latent_dim, inputs.sizes)
    except UsageError as error:
        raise ValueError(str(error)) from None


def _known_options(
    make: Callable[..., Any], name: str, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The options, after a look at whether `make` takes them."""
    taken = [p for p in inspect.signature(make).parameters if p not in ("self", "latent_dim")]
    for key in options or {}:
        if key not in taken:
            known = ", ".join(taken) or "none"
            near = did_you_mean(key, taken)
            raise ValueError(f'{name} has no "{key}".{near} Accepted are {known}.')
    return dict(options or {})
