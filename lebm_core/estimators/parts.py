"""The parts that the arguments of an estimator name: adapter, model and learning rule."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch

from lebm_core.data.adapters import InputAdapter, TensorAdapter
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.learning.symbol import Symbols
from lebm_core.learning.two_part import TwoPart
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.coupled import CoupledPrior
from lebm_core.priors.ebm import EBMPrior
from lebm_core.registry.parts import Part, make

__all__ = ["OPTIONS", "PENALTY", "make_adapter", "make_model", "make_rule", "symbols_of"]

SAMPLER = {"steps": 300, "step_size": 0.4}  # of the prior's chains
PENALTY = 1e-4  # of the mean square of f, of a classifier
OPTIONS = ("adapter_options", "decoder_options", "encoder_options")


def make_adapter(given: Mapping[str, Any]) -> InputAdapter:
    """The adapter between X and x, not fitted yet.

    Args:
        given: the estimator's `get_params(deep=False)`, checked.

    Raises:
        ValueError: for an unknown decoder or option, or parts that do not go together.
    """
    if isinstance(given["decoder"], str):
        if given["encoder"] is not None:
            raise ValueError(f'"{given["decoder"]}" brings its own encoder: leave encoder None.')
        options = given["adapter_options"] or {}
        adapter: InputAdapter = _part("adapters", given["decoder"], options, "adapter_options")
        adapter.decoder_options = dict(given["decoder_options"] or {})
        return adapter
    if given["encoder"] is None:
        raise ValueError("A decoder object needs an encoder object: encoder=...")
    for name in OPTIONS:
        if given[name]:
            raise ValueError(f"{name} is for a decoder by name: an object has its own.")
    return TensorAdapter()


def make_model(
    given: Mapping[str, Any], adapter: InputAdapter, classes: int, data: Dataset
) -> LatentEBM:
    """The model before its training; objects that were given are copied.

    Args:
        given: the estimator's arguments.
        adapter: fitted.
        classes: how many; 0 for a prior without.
        data: the training examples, from which decoder and encoder are initialised.

    Raises:
        ValueError: for an unknown option, sizes that cannot be, or parts that do not fit.
        UsageError: for examples that the decoder does not take.
    """
    d, energy = given["latent_dim"], {"hidden": given["prior_hidden"]}
    prior: Prior = (
        CoupledPrior(d, classes, energy=energy, sampler=SAMPLER)
        if classes
        else EBMPrior(d, energy=energy, sampler=SAMPLER)
    )
    if isinstance(given["decoder"], str):
        sizes = {**adapter.sizes, "latent_dim": d}
        options = {**adapter.decoder_defaults, **(given["decoder_options"] or {})}
        decoder = _part("decoders", adapter.decoder, options, "decoder_options", sizes)
        decoder.initialise(data)
        options = {**adapter.encoder_defaults, **(given["encoder_options"] or {})}
        encoder = _part("encoders", adapter.encoder, options, "encoder_options", sizes)
        encoder.initialise(data)
        return LatentEBM(prior, decoder, encoder)
    decoder, encoder = copy.deepcopy(given["decoder"]), copy.deepcopy(given["encoder"])
    model = LatentEBM(prior, decoder, encoder)
    _try(model, data)
    return model


def symbols_of(given: Mapping[str, Any], labelled: int) -> Symbols:
    """What a classifier learns about classes.

    Args:
        given: the estimator's arguments, none of them open.
        labelled: how many examples have a label.
    """
    return Symbols(
        labels=labelled,
        labelled_batch=min(given["labelled_batch"], max(1, labelled)),
        weight=given["label_weight"],
        information=given["mutual_information"],
        vat=given["vat"],
        vat_radius=given["vat_radius"],
        consistency=given["consistency"],
        masked=given["masked"],
    )


def make_rule(given: Mapping[str, Any], symbols: Symbols, *, again: bool = False) -> TwoPart:
    """The learning rule.

    Args:
        given: the estimator's arguments, none of them open.
        symbols: what is learned about classes.
        again: the model is trained already, so that the weight of the KL need not rise from 0.
    """
    l2 = given.get("energy_l2", PENALTY)
    rule = TwoPart(
        decoder={
            "name": "variational",
            "kl_weight": given["kl_weight"],
            "kl_rise": 0.0 if again else 0.2,
        },
        prior={
            # Earlier codes change no accuracy, and samples are of a prior refitted on all codes.
            "name": "density-ratio", "reference_samples": 2, "code_pool": 0, "energy_l2": l2,
        },
        symbols=symbols,
    )  # fmt: skip
    rule.monitor = False  # no chain is run for the logs
    return rule


@torch.no_grad()
def _try(model: LatentEBM, data: Dataset) -> None:
    """Refuse examples that a user's own decoder and encoder do not take, before the training."""
    x = data.batch("train", torch.arange(min(2, data.length("train")))).x
    model.eval()
    try:
        model.decoder.likelihood(x)(model.need_encoder("An estimator")(x).mean)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise ValueError(
            f"X, whose examples are {x.dtype} of shape {tuple(x.shape[1:])}, does not fit the "
            f"decoder and the encoder: {_first_line(error)}"
        ) from error
    finally:
        model.train()


def _part(
    kind: str,
    name: str,
    options: Mapping[str, Any],
    argument: str,
    sizes: Mapping[str, Any] | None = None,
) -> Any:
    """A registered part by its name; its errors as scikit-learn's users expect them."""
    try:
        return make(Part(kind), {"name": name, **options}, sizes)
    except UsageError as error:
        where = f"{argument}: " if "has no option" in str(error) else ""
        raise ValueError(f"{where}{error}") from None
    except (TypeError, RuntimeError, OverflowError, MemoryError) as error:  # options of wrong types
        raise ValueError(f"{argument} are not possible: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return said[0][:300] if said else type(error).__name__
