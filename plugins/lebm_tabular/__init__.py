"""Vectors for lebm: tables of numbers, bags of words, two synthetic data sets of known density."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = [
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_adapters",
    "lebm_register_metrics",
]

Register = Callable[[str, str], None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Perceptrons of columns and of words, and the identity that makes the prior the model."""
    register("tabular", "lebm_tabular.networks.perceptrons:TabularDecoder")
    register("tabular.bag", "lebm_tabular.networks.bag:BagDecoder")
    register("tabular.observed", "lebm_tabular.networks.perceptrons:ObservedDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Perceptrons, and the identity."""
    register("tabular", "lebm_tabular.networks.perceptrons:TabularEncoder")
    register("tabular.bag", "lebm_tabular.networks.bag:BagEncoder")
    register("tabular.observed", "lebm_tabular.networks.perceptrons:ObservedEncoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Matrices of numbers, and of counts of words."""
    register("tabular", "lebm_tabular.data.adapters:TabularInputs")
    register("tabular.bag", "lebm_tabular.data.adapters:BagInputs")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Simulated points in the plane, public tables, and a user's own."""
    register("tabular.file", "lebm_tabular.data.table:table")
    register("tabular.hepmass", "lebm_tabular.data.sources:hepmass")
    register("tabular.miniboone", "lebm_tabular.data.sources:miniboone")
    register("tabular.protein", "lebm_tabular.data.sources:protein")
    register("tabular.8gaussians", "lebm_tabular.data.synthetic:eight_gaussians")
    register("tabular.pinwheel", "lebm_tabular.data.synthetic:pinwheel")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """How near a model of the plane is to the truth."""
    register("tabular.density", "lebm_tabular.metrics.density:density")
