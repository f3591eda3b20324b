"""Images for lebm: deconvolution decoders, data sets, Frechet distances, anomaly detection."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = [
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_inputs",
    "lebm_register_metrics",
]

Register = Callable[[str, str], None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """The published generators and two small ones."""
    register("images.deconv", "lebm_images.networks:DeconvDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """A convolutional encoder."""
    register("images.conv", "lebm_images.networks:ConvEncoder")


@hookimpl
def lebm_register_inputs(register: Register) -> None:
    """Arrays of images."""
    register("images.conv", "lebm_images.inputs:ImageInputs")
    register("images.deconv", "lebm_images.inputs:ImageInputs")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Digits without a download, the usual benchmarks, and the user's own folder."""
    register("images.digits", "lebm_images.sources:digits")
    register("images.mnist", "lebm_images.sources:mnist")
    register("images.cifar10", "lebm_images.sources:cifar10")
    register("images.svhn", "lebm_images.sources:svhn")
    register("images.celeba", "lebm_images.sources:celeba")
    register("images.eurosat", "lebm_images.sources:eurosat")
    register("images.folder", "lebm_images.sources:folder")
    register("images.hub", "lebm_images.hub:hub")
    register("images.mnist-anomaly", "lebm_images.anomaly:mnist_anomaly")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Reconstruction, Frechet distance, manifold, chains, anomaly detection, control."""
    register("images.reconstruction", "lebm_images.reconstruction:build")
    register("images.frechet", "lebm_images.frechet:build")
    register("images.anomaly", "lebm_images.anomaly:build")
    register("images.control", "lebm_images.control:build")
    register("images.composition", "lebm_images.composition:build")
