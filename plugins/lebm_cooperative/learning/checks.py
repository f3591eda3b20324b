"""What rules of the family "energy-generator" refuse alike."""

from __future__ import annotations

from typing import Any

from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.chains.samplers import option_of
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.priors.protocols import Tilted

__all__ = ["check_generator", "check_revises", "check_runaway"]

SPREAD = 10  # times the standard deviation of the data, or a part of it, that chains may have


def check_generator(model: Any, rule: str) -> EnergyGenerator:
    """The model, where it is of the family that the rule teaches.

    Raises:
        UsageError: for another one.
    """
    if isinstance(model, EnergyGenerator):
        return model
    raise UsageError(
        f'learning.name = "{rule}" teaches the model "energy-generator" (model.name), and this is '
        f"a {type(model).__name__}."
    )


def check_revises(model: EnergyGenerator) -> None:
    """Refuse parts that cannot revise and be revised: see each sentence.

    Raises:
        UsageError: naming the key.
    """
    prior, descriptor = model.prior, model.descriptor
    kind = type(descriptor).__name__
    if not isinstance(descriptor, Tilted) or descriptor.n_stages > 1:
        raise UsageError(f"{kind} (descriptor.name) has no one tilt to learn; use ebm or coupled.")
    if descriptor.taught_by or descriptor.n_levels > 1:
        raise UsageError(
            f"{kind} (descriptor.name) is taught by a rule of its own; use ebm or coupled."
        )
    if option_of(descriptor.sampler, "steps", None) is None:
        raise UsageError(
            f"{type(descriptor.sampler).__name__} (descriptor.sampler.name) has no steps to start "
            "at the generator's draws; use langevin or mala."
        )
    if any(p.requires_grad for p in prior.parameters()):
        raise UsageError(
            f"{type(prior).__name__} (prior.name) would have to be learned, and this rule learns "
            "no prior; use gaussian, or class-mixture for classes."
        )
    if prior.n_classes != descriptor.n_classes:
        raise UsageError(
            f"The prior has {prior.n_classes} classes and the descriptor {descriptor.n_classes}; "
            "use prior.name = class-mixture with descriptor.name = coupled, or neither."
        )


def check_runaway(metrics: dict[str, float], limit: float) -> list[str]:
    """A warning where f(data) - f(chain) exceeds `limit` nats.

    Args:
        metrics: "f_posterior", "f_chain" and "chain_spread" of a step, as `contrast` names them.
        limit: ten times of it stops the training.

    Raises:
        DivergenceError: where f has run away, or chains have left the data.
    """
    spread = metrics.get("chain_spread")
    if spread is not None and not 1 / SPREAD < spread < SPREAD:
        raise DivergenceError(
            f"The chains have left the data: their standard deviation is {spread:.3g} times that "
            "of the data. Lower training.parts.descriptor.lr, or use a smaller "
            "descriptor.sampler.step_size."
        )
    up, down = metrics.get("f_posterior"), metrics.get("f_chain")
    if up is None or down is None or up - down <= limit:
        return []
    if up - down > 10 * limit:
        raise DivergenceError(
            f"The energy has run away: f(data) - f(chain) = {up - down:.1f} nats (limit "
            f"{10 * limit:g}). Lower training.parts.descriptor.lr."
        )
    return [
        f"f(data) - f(chain) = {up - down:.1f} nats exceeds {limit:g}: the chains do not reach the "
        "data; use more steps (descriptor.sampler.steps), or a lower training.parts.descriptor.lr."
    ]
