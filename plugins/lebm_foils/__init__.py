"""Relatives of energy-based models to compare with: adversarial, explicit and denoising ones."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_learning_rules",
    "lebm_register_metrics",
    "lebm_register_models",
    "lebm_register_priors",
]


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register perceptrons of real numbers of any shape, and one of grey levels."""
    register("perceptron", "lebm_foils.networks.perceptron:PerceptronDecoder")
    register("pixelcnn", "lebm_foils.networks.pixelcnn:PixelCNN", "pixel by pixel, exact")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register perceptrons of real numbers of any shape."""
    register("perceptron", "lebm_foils.networks.perceptron:PerceptronEncoder")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register rules of generators, by a critic and by kernel moments, and of denoising."""
    register("joint.gan", "lebm_foils.learning.gan:GAN")
    register("joint.moment-matching", "lebm_foils.learning.moment_matching:MomentMatching")
    register("joint.walkback", "lebm_foils.learning.walkback:Walkback", "a denoising autoencoder")


@hookimpl
def lebm_register_priors(register: Register) -> None:
    """Register a flow of images, and a generator of codes."""
    register("glow", "lebm_foils.priors.glow:GlowPrior", "a flow of images, exact")
    moments = "lebm_foils.priors.moments:MomentMatchingPrior"
    register("moment-matching", moments, "a generator of codes by kernel moments")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register likelihood in bits of grey levels."""
    register("foils.bits", "lebm_foils.metrics.bits:bits")


@hookimpl
def lebm_register_models(register: Register) -> None:
    """Register the family that draws by corrupting and denoising."""
    family = "lebm_foils.models.denoising:DenoisingAutoencoder"
    register("denoising-autoencoder", family, "corrupt, draw again, and so on")
