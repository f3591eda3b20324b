"""An energy in data space and a generator, taught together, for lebm."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_baselines",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_figures",
    "lebm_register_metrics",
    "lebm_register_learning_rules",
    "lebm_register_models",
    "lebm_register_priors",
]


@hookimpl
def lebm_register_models(register: Register) -> None:
    """Register the family that holds an energy beside a generator."""
    register("energy-generator", "lebm_cooperative.models.energy_generator:EnergyGenerator")
    family = "lebm_cooperative.models.pair_energy:PairEnergyGenerator"
    register("pair-energy-generator", family)
    register("two-domains", "lebm_cooperative.models.two_domains:TwoDomains")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register generators whose samples may be larger, or longer, than the data."""
    networks = "lebm_cooperative.networks"
    register("map-deconv", f"{networks}.maps:MapDecoder", "stationary pictures, z a map")
    register("dynamic", f"{networks}.dynamic:DynamicDecoder", "clips, a state through time")
    register("residual", f"{networks}.residual:ResidualDecoder", "images, the code a map")
    register("mixer", f"{networks}.mixer:MixerDecoder", "sequences of relaxed tokens")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register what generators are judged by."""
    metrics = "lebm_cooperative.metrics"
    register("cooperative.reconstruction", f"{metrics}.reconstruction:build")
    register("cooperative.refinement", f"{metrics}.refinement:build")
    register("cooperative.completion", f"{metrics}.completion:build")
    register("cooperative.classes", f"{metrics}.classes:build")
    register("cooperative.expansion", f"{metrics}.expansion:build")
    register("cooperative.translation", f"{metrics}.translation:build")


@hookimpl
def lebm_register_baselines(register: Register) -> None:
    """Register principal components."""
    register("cooperative.pca", "lebm_cooperative.metrics.pca:pca", "principal components")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register rules that teach an energy and a generator together."""
    register("joint.cooperative", "lebm_cooperative.learning.cooperative:Cooperative")
    register("joint.adversarial", "lebm_cooperative.learning.adversarial:Adversarial")
    triangle = "lebm_cooperative.learning.adversarial:DivergenceTriangle"
    register("joint.divergence-triangle", triangle)
    register("joint.variational-energy", "lebm_cooperative.learning.pair_energy:VariationalEnergy")
    register("joint.cycle", "lebm_cooperative.learning.cycle:Cycle")


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register the prior that gives a class to any generator."""
    register("class-mixture", "lebm_cooperative.priors.class_mixture:ClassMixture")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register encoders whose code keeps the places of x."""
    register("residual", "lebm_cooperative.networks.residual:ResidualEncoder")
    register("mixer", "lebm_cooperative.networks.mixer:MixerEncoder")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Register two domains with a known map between them."""
    data = "lebm_cooperative.data"
    register("cooperative.moons-rings", f"{data}.plane:moons_rings")
    register("cooperative.digit-edges", f"{data}.images:digit_edges")
    register("cooperative.fonts", f"{data}.images:fonts")
    register("cooperative.halves", f"{data}.halves:halves", "half a digit given the other half")
    register("cooperative.sorted-tokens", f"{data}.tokens:sorted_tokens")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Register sources, translations and the truth."""
    register("cooperative.translation", "lebm_cooperative.figures.translation:pictures")
    register("cooperative.halves", "lebm_cooperative.figures.halves:pictures")
