"""Relatives of energy-based models to compare with: adversarial, explicit and denoising ones."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_decoders", "lebm_register_encoders"]


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register perceptrons of real numbers of any shape."""
    register("perceptron", "lebm_foils.networks.perceptron:PerceptronDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register perceptrons of real numbers of any shape."""
    register("perceptron", "lebm_foils.networks.perceptron:PerceptronEncoder")
