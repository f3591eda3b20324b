"""The model of an estimator without labels: which family, its untrained parts, and its rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lebm_core.base.checks import choice
from lebm_core.data.adapters import NARROW_ROWS, InputAdapter
from lebm_core.errors import UsageError
from lebm_core.estimators.defaults import LEAST_PASSES, NARROW, WIDE
from lebm_core.learning.data_space import DataSpace
from lebm_core.models.ebm import EBM
from lebm_core.priors.ebm import EBMPrior

__all__ = ["FAMILIES", "chosen", "data_space_rule", "family_of", "learn_scale", "make_ebm"]

FAMILIES = ("auto", "ebm", "latent-ebm")
SAMPLER = {"name": "mala", "steps": 300, "step_size": "auto"}  # of the data-space prior
RATE, STEPS = 3e-3, {"ebm": 500, "latent-ebm": 1_000}
PENALTY = 3.0  # examples that the square of f weighs as much as
LATENT_DIM = 10  # at most, of a table of few columns less


def family_of(given: Mapping[str, Any], adapter: InputAdapter, most: int) -> str:
    """The family of models that is asked for, or the one that suits X.

    Args:
        given: the estimator's arguments.
        adapter: fitted.
        most: dimensions of "ebm", where it is not asked for.

    Raises:
        UsageError: for an unknown family, or "ebm" for what is no matrix of known numbers.
    """
    family = str(given["family"])
    choice("family", family, FAMILIES)
    groups = adapter.sizes.get("groups")
    numbers = adapter.vectors and not groups and not adapter.missing
    if family == "ebm" and not numbers:
        what = "has categories" if groups else "may have missing values, or is no matrix"
        raise UsageError(f'family = "ebm" is a density over numbers, and X {what}: use "auto".')
    if family != "auto":
        return family
    asked = given["decoder_options"] or given["encoder_options"] or given["adapter_options"]
    few = numbers and adapter.sizes["features"] <= most
    return "ebm" if few and not asked and given["latent_dim"] is None else "latent-ebm"


def chosen(
    given: Mapping[str, Any], adapter: InputAdapter, n: int, family: str = "latent-ebm"
) -> dict[str, Any]:
    """The arguments with a value for each that is None.

    Args:
        given: the estimator's arguments, checked.
        adapter: fitted.
        n: examples.
        family: of the model.
    """
    batches = -(-n // given["batch_size"])
    found = {
        "latent_dim": min(LATENT_DIM, adapter.sizes.get("features", LATENT_DIM)),
        "prior_hidden": NARROW if adapter.vectors and n < NARROW_ROWS else WIDE,
        "learning_rate": RATE,
        "max_iter": max(LEAST_PASSES, -(-STEPS[family] // batches)),
        "energy_l2": PENALTY / n,  # f is small where the rows are few
        "kl_weight": 1.0,
    }
    return {**found, **{k: v for k, v in given.items() if v is not None or k not in found}}


def learn_scale(adapter: InputAdapter, decoder: Any) -> None:
    """Let the decoder of a table learn the scale of each number: a density is no better than it."""
    if isinstance(decoder, str) and decoder == "tabular":
        adapter.decoder_defaults = {**adapter.decoder_defaults, "learn_sigma": True}


def make_ebm(given: Mapping[str, Any], d: int) -> EBM:
    """A data-space model over x (n, d), before its training."""
    energy = {"hidden": given["prior_hidden"]}
    return EBM(EBMPrior(d, energy=energy, sampler=SAMPLER), [d])


def data_space_rule(given: Mapping[str, Any]) -> DataSpace:
    """The rule that teaches it: density ratio to the Gaussian of X, without a chain."""
    l2 = given["energy_l2"]
    rule = DataSpace(prior={
        "name": "density-ratio", "reference_samples": 2, "code_pool": 0, "energy_l2": l2,
    })  # fmt: skip
    rule.monitor = False
    return rule
