"""A part of every kind for lebm: names and import strings, imported when they are asked for."""

from __future__ import annotations

from lebm_core import Register, hookimpl


@hookimpl
def lebm_register_priors(register: Register) -> None:
    register("strange.flow", "lebm_strange.flow:FlowPrior")


@hookimpl
def lebm_register_energies(register: Register) -> None:
    register("strange.waves", "lebm_strange.waves:Waves")


@hookimpl
def lebm_register_samplers(register: Register) -> None:
    register("strange.hmc", "lebm_strange.hmc:HMC")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    register("strange.plane", "lebm_strange.networks:PlaneDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    register("strange.plane", "lebm_strange.networks:PlaneEncoder")


@hookimpl
def lebm_register_inference(register: Register) -> None:
    register("strange.map", "lebm_strange.map:MAP")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    register("decoder.importance", "lebm_strange.rules:Importance")
    register("prior.likelihood", "lebm_strange.rules:Likelihood")
    register("strange.contrastive", "lebm_strange.rules:Contrastive")


@hookimpl
def lebm_register_models(register: Register) -> None:
    register("strange.ebm", "lebm_strange.model:DataEBM")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    register("strange.rings", "lebm_strange.rings:rings")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    register("strange.rings", "lebm_strange.metrics:on_rings")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    register("strange.points", "lebm_strange.figures:points")


@hookimpl
def lebm_register_baselines(register: Register) -> None:
    register("strange.kde", "lebm_strange.metrics:kernel_density", "kernels on training points")


@hookimpl
def lebm_register_controls(register: Register) -> None:
    register("near", "lebm_strange.near:near", "a point of the plane, near=1,0.5")


@hookimpl
def lebm_register_recipes(register: Register) -> None:
    register("strange-latent", "lebm_strange:latent.toml")
    register("strange-data", "lebm_strange:data.toml")
