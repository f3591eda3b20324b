"""Vectors for lebm: tables of numbers, bags of words, two synthetic data sets of known density."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_adapters",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_figures",
    "lebm_register_metrics",
]


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register perceptrons of columns and of words."""
    register("tabular", "lebm_tabular.networks.perceptrons:TabularDecoder")
    register("tabular.bag", "lebm_tabular.networks.bag:BagDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register perceptrons of columns and of words."""
    register("tabular", "lebm_tabular.networks.perceptrons:TabularEncoder")
    register("tabular.bag", "lebm_tabular.networks.bag:BagEncoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Register matrices of numbers, and of counts of words."""
    register("tabular", "lebm_tabular.data.adapters:TabularAdapter")
    register("tabular.bag", "lebm_tabular.data.adapters:BagAdapter")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Register simulated points in the plane, public tables, and the user's own."""
    register("tabular.file", "lebm_tabular.data.table:table")
    register("tabular.hepmass", "lebm_tabular.data.sources:hepmass")
    register("tabular.miniboone", "lebm_tabular.data.sources:miniboone")
    register("tabular.protein", "lebm_tabular.data.sources:protein")
    register("tabular.8gaussians", "lebm_tabular.data.synthetic:eight_gaussians")
    register("tabular.pinwheel", "lebm_tabular.data.synthetic:pinwheel")
    register("tabular.rings", "lebm_tabular.data.synthetic:rings")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register likelihood and coverage against a known density."""
    register("tabular.density", "lebm_tabular.metrics.density:density")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Register data, prior, posterior codes and samples side by side."""
    register("tabular.densities", "lebm_tabular.figures.densities:densities")
