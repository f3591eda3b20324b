"""Images for lebm: deconvolution decoders, data sets, Frechet distances, anomaly detection."""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_adapters",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_encoders",
    "lebm_register_figures",
    "lebm_register_metrics",
]


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """Register the published generators and two small ones."""
    register("images.deconv", "lebm_images.networks.decoder:DeconvDecoder")
    register("images.ladder", "lebm_images.networks.ladder:LadderDecoder")


@hookimpl
def lebm_register_encoders(register: Register) -> None:
    """Register convolutional encoders."""
    register("images.conv", "lebm_images.networks.encoder:ConvEncoder")
    register("images.ladder", "lebm_images.networks.ladder:LadderEncoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Register the adapter of arrays of images."""
    register("images.conv", "lebm_images.data.adapters:ImageAdapter")
    register("images.deconv", "lebm_images.data.adapters:ImageAdapter")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """Register digits without a download, the usual benchmarks, and the user's own images."""
    register("images.digits", "lebm_images.data.sources:digits")
    register("images.textures", "lebm_images.data.derived.textures:textures")
    register("images.faces", "lebm_images.data.derived.faces:faces")
    register("images.mnist", "lebm_images.data.sources:mnist")
    register("images.cifar10", "lebm_images.data.sources:cifar10")
    register("images.svhn", "lebm_images.data.sources:svhn")
    register("images.eurosat", "lebm_images.data.sources:eurosat")
    register("images.celeba", "lebm_images.data.own:celeba")
    register("images.folder", "lebm_images.data.own:folder")
    register("images.hub", "lebm_images.data.hub:hub")
    register("images.mnist-anomaly", "lebm_images.data.derived.anomaly:mnist_anomaly")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Register reconstruction, Frechet distance, anomaly detection and control."""
    register("images.reconstruction", "lebm_images.metrics.reconstruction:build")
    register("images.frechet", "lebm_images.metrics.frechet:build")
    register("images.outliers", "lebm_images.metrics.outliers:outliers")
    register("images.anomaly", "lebm_images.metrics.anomaly:build")
    register("images.control", "lebm_images.metrics.control:build")
    register("images.composition", "lebm_images.metrics.composition:build")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Register the grids of a trained model."""
    register("images.model", "lebm_images.figures.model:pictures")
