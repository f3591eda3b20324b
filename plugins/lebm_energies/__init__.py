"""Energy-based models in data space for lebm: energies, rules of their own, and data."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_baselines",
    "lebm_register_datasets",
    "lebm_register_energies",
    "lebm_register_figures",
    "lebm_register_learning_rules",
    "lebm_register_metrics",
    "lebm_register_priors",
    "lebm_register_samplers",
]


@hookimpl
def lebm_register_energies(register: Register) -> None:
    """Register networks of images of any size."""
    register("convolution", "lebm_energies.networks.convolution:Convolution")
    register("voxels", "lebm_energies.networks.voxels:Voxels")
    register("set", "lebm_energies.networks.sets:PointSet")
    register("reconstruction", "lebm_energies.networks.reconstruction:Reconstruction")
    register("noisy-set", "lebm_energies.networks.noisy_sets:NoisySet")
    register("video", "lebm_energies.networks.video:Video")
    register("frame", "lebm_energies.networks.frame:Frame", "Gabor filters, learned potentials")
    register("driving-cost", "lebm_energies.networks.driving:DrivingCost")


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register energies at several sizes, and the restricted Boltzmann machine."""
    register("multigrid", "lebm_energies.priors.multigrid:MultigridPrior", "coarse to fine")
    register("rbm", "lebm_energies.priors.rbm:RBMPrior", "a restricted Boltzmann machine")


@hookimpl
def lebm_register_samplers(register: Register) -> None:
    """Register block Gibbs sampling."""
    register("gibbs", "lebm_energies.chains.gibbs:Gibbs")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register rules that start at the data, or run no chain."""
    learning = "lebm_energies.learning"
    register("prior.contrastive-divergence", f"{learning}.divergence:ContrastiveDivergence")
    register("prior.multigrid", f"{learning}.multigrid:Multigrid")
    register("prior.score-matching", f"{learning}.score:ScoreMatching")
    register("prior.fast-persistent", f"{learning}.fast:FastPersistentChains")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Register small binary images."""
    register("energies.bars", "lebm_energies.data.binary:bars")
    register("energies.binary-digits", "lebm_energies.data.binary:binary_digits")
    register("energies.driving", "lebm_energies.data.driving:driving")
    register("energies.solids", "lebm_energies.data.solids:solids")
    register("energies.clouds", "lebm_energies.data.clouds:clouds")
    register("energies.texture-video", "lebm_energies.data.texture:texture_video")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register the likelihood of a restricted Boltzmann machine."""
    register("energies.texture", "lebm_energies.metrics.texture:texture")
    register("energies.rbm", "lebm_energies.metrics.rbm:rbm")
    register("energies.driving", "lebm_energies.metrics.driving:driving")
    register("energies.voxels", "lebm_energies.metrics.voxels:build")
    register("energies.points", "lebm_energies.metrics.points:build")
    register("energies.video", "lebm_energies.metrics.video:build")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Register pictures of binary images."""
    register("energies.binary-images", "lebm_energies.figures.binary:binary_images")
    register("energies.driving", "lebm_energies.figures.driving:driving")
    register("energies.solids", "lebm_energies.figures.solids:pictures")
    register("energies.clouds", "lebm_energies.figures.clouds:pictures")
    register("energies.clips", "lebm_energies.figures.clips:pictures")


@hookimpl
def lebm_register_baselines(register: Register) -> None:
    """Register machines of scikit-learn."""
    register(
        "energies.bernoulli-rbm",
        "lebm_energies.metrics.bernoulli:bernoulli_rbm",
        "scikit-learn's BernoulliRBM",
    )
