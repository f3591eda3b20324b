"""An energy in data space and a generator, taught together, for lebm."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_models"]


@hookimpl
def lebm_register_models(register: Register) -> None:
    """Register the family that holds an energy beside a generator."""
    register("energy-generator", "lebm_cooperative.models.energy_generator:EnergyGenerator")
