"""Trajectories for lebm: where people walk next, given where they walked and who is near."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_adapters",
    "lebm_register_controls",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_figures",
    "lebm_register_metrics",
]


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register a plan of sub-goals with the path through them, and whole tracks without a past."""
    register("trajectories", "lebm_trajectories.networks.paths:TrajectoryDecoder")
    register("trajectories.track", "lebm_trajectories.networks.tracks:TrackDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register encoders of the future given the past, and of whole tracks."""
    register("trajectories", "lebm_trajectories.networks.paths:TrajectoryEncoder")
    register("trajectories.track", "lebm_trajectories.networks.tracks:TrackEncoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Register arrays of whole tracks, for `LatentEBMClassifier`."""
    register("trajectories", "lebm_trajectories.data.adapters:TrackAdapter")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Register ETH-UCY, Stanford Drone, any recording, and a simulated crowd."""
    register("trajectories.eth_ucy", "lebm_trajectories.data.sources:eth_ucy")
    register("trajectories.sdd", "lebm_trajectories.data.sources:sdd")
    register("trajectories.file", "lebm_trajectories.data.sources:file")
    register("trajectories.crowd", "lebm_trajectories.data.crowd:crowd")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register metrics of predicted futures."""
    register("trajectories.displacement", "lebm_trajectories.metrics.displacement:displacement")
    register("trajectories.density", "lebm_trajectories.metrics.density:density")
    register("trajectories.collisions", "lebm_trajectories.metrics.collisions:collisions")
    register("trajectories.control", "lebm_trajectories.metrics.control:control")
    register("trajectories.truth", "lebm_trajectories.metrics.truth:truth")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Register scenes, destinations and the energy along a chain."""
    register("trajectories.model", "lebm_trajectories.figures.scenes:scenes")


@hookimpl
def lebm_register_controls(register: Register) -> None:
    """Register --control goal=AHEAD,LEFT."""
    register("goal", "lebm_trajectories.goals:goal", "where a trajectory ends")
