"""Diffusion for lebm: energies at levels of noise, plain denoising, and chains amortised by it."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_inference", "lebm_register_learning_rules", "lebm_register_priors"]


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register energies at levels of noise, a denoising model, and an energy started at one."""
    register("diffusion", "lebm_diffusion.priors.recovery:DiffusionPrior")
    register("coupled-diffusion", "lebm_diffusion.priors.coupled:CoupledDiffusionPrior")
    register("denoising", "lebm_diffusion.priors.denoising:DenoisingPrior")
    register("diffusion-amortized", "lebm_diffusion.priors.amortized:AmortizedPrior")


@hookimpl
def lebm_register_inference(register: Register) -> None:
    """Register posterior chains that start at a denoising model's draws."""
    register("diffusion-amortized", "lebm_diffusion.latent.amortized:DiffusionAmortized")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register recovery likelihood, score matching, and short chains with a learned start."""
    register("prior.recovery-likelihood", "lebm_diffusion.learning.recovery:RecoveryLikelihood")
    register("prior.level-score-matching", "lebm_diffusion.learning.matching:LevelScoreMatching")
    register("prior.diffusion-amortized", "lebm_diffusion.learning.amortized:AmortizedChains")
