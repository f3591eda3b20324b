"""Vectors for lebm: Gaussian networks, and two synthetic data sets of known density."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = [
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_inputs",
    "lebm_register_metrics",
]

Register = Callable[[str, str], None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """A perceptron, and the identity that makes the prior the model."""
    register("tabular", "lebm_tabular.networks:TabularDecoder")
    register("tabular.observed", "lebm_tabular.networks:ObservedDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """A perceptron, and the identity."""
    register("tabular", "lebm_tabular.networks:TabularEncoder")
    register("tabular.observed", "lebm_tabular.networks:ObservedEncoder")


@hookimpl
def lebm_register_inputs(register: Register) -> None:
    """Matrices of numbers."""
    register("tabular", "lebm_tabular.inputs:TabularInputs")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Simulated points in the plane."""
    register("tabular.8gaussians", "lebm_tabular.synthetic:eight_gaussians")
    register("tabular.pinwheel", "lebm_tabular.synthetic:pinwheel")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """How near a model of the plane is to the truth."""
    register("tabular.density", "lebm_tabular.metrics:density")
