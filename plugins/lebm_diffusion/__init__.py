"""Diffusion priors for lebm: energies at levels of noise, and plain denoising as their control."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_learning_rules", "lebm_register_priors"]


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register energies at levels of noise, with and without classes, and a denoising model."""
    register("diffusion", "lebm_diffusion.priors.recovery:DiffusionPrior")
    register("coupled-diffusion", "lebm_diffusion.priors.coupled:CoupledDiffusionPrior")
    register("denoising", "lebm_diffusion.priors.denoising:DenoisingPrior")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register recovery likelihood."""
    register("prior.recovery-likelihood", "lebm_diffusion.learning.recovery:RecoveryLikelihood")
