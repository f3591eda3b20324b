"""Energy-based models in data space for lebm: energies, rules of their own, and data."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_energies", "lebm_register_learning_rules"]


@hookimpl
def lebm_register_energies(register: Register) -> None:
    """Register networks of images of any size."""
    register("convolution", "lebm_energies.networks.convolution:Convolution")


@hookimpl
def lebm_register_learning_rules(register: Register) -> None:
    """Register rules that start at the data, or run no chain."""
    learning = "lebm_energies.learning"
    register("prior.contrastive-divergence", f"{learning}.divergence:ContrastiveDivergence")
    register("prior.score-matching", f"{learning}.score:ScoreMatching")
