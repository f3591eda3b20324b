"""Trajectories for lebm: where people walk next, given where they walked and who is near.

Only names and import strings are given here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = [
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_adapters",
    "lebm_register_metrics",
]

Register = Callable[[str, str], None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """A plan of sub-goals, and the path through them; a whole track without a past."""
    register("trajectories", "lebm_trajectories.networks.paths:TrajectoryDecoder")
    register("trajectories.track", "lebm_trajectories.networks.tracks:TrackDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Of the future, given the past; of a whole track."""
    register("trajectories", "lebm_trajectories.networks.paths:TrajectoryEncoder")
    register("trajectories.track", "lebm_trajectories.networks.tracks:TrackEncoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Arrays of whole tracks, for `LatentEBMClassifier`."""
    register("trajectories", "lebm_trajectories.data.adapters:TrackInputs")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """ETH-UCY, Stanford Drone, any recording, and a simulated crowd."""
    for name in ("eth_ucy", "sdd", "file", "crowd"):
        register(f"trajectories.{name}", f"lebm_trajectories.data.sources:{name}")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """How good predicted futures are."""
    register("trajectories.displacement", "lebm_trajectories.metrics.displacement:displacement")
    register("trajectories.density", "lebm_trajectories.metrics.densities:density")
    register("trajectories.collisions", "lebm_trajectories.metrics.displacement:collisions")
    register("trajectories.control", "lebm_trajectories.metrics.control:control")
    register("trajectories.truth", "lebm_trajectories.metrics.densities:truth")
