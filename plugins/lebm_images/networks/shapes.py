"""Layers of the convolutional networks by image size.

Sources: Pang et al., NeurIPS 2020, arXiv 2006.08205, and its public code (SVHN, CelebA 128); Yu et
al., NeurIPS 2023, arXiv 2306.03323 (CIFAR-10, CelebA 64, their network of 28 x 28 for anomaly
detection).
"""

from __future__ import annotations

from typing import NamedTuple

from lebm_core.errors import UsageError, did_you_mean

__all__ = ["ARCHITECTURES", "BY_SIDE", "DOUBLING", "SLOPE", "Layer", "layers_of", "side_of"]

SLOPE = 0.2  # of LeakyReLU
DOUBLING = (4, 2, 1)  # kernel, stride and padding that double the side


class Layer(NamedTuple):
    """One transposed convolution: output channels, kernel, stride, padding."""

    channels: int
    kernel: int
    stride: int
    padding: int


def _double(*channels: int) -> list[Layer]:
    return [Layer(c, *DOUBLING) for c in channels]


# The last layer's channels, 0 here, are the image's.
ARCHITECTURES: dict[str, list[Layer]] = {
    "digits": [Layer(64, 2, 1, 0), *_double(32, 0)],  # 8 x 8
    "mnist": [Layer(128, 7, 1, 0), *_double(64, 0)],  # 28 x 28
    "damc28": [Layer(1024, 7, 1, 0), *_double(512, 256), Layer(0, 3, 1, 1)],  # 28 x 28
    "svhn": [Layer(512, 4, 1, 0), *_double(256, 128, 0)],  # 32 x 32
    "cifar10": [Layer(1024, 8, 1, 0), *_double(512, 256), Layer(0, 3, 1, 1)],  # 32 x 32
    "celeba64": [Layer(1024, 4, 1, 0), *_double(512, 256, 128, 0)],  # 64 x 64
    "celeba128": [Layer(2048, 4, 1, 0), *_double(1024, 512, 256, 128, 0)],  # 128 x 128
}
BY_SIDE = {8: "digits", 28: "mnist", 32: "svhn", 64: "celeba64", 128: "celeba128"}


def layers_of(architecture: str, side: int) -> list[Layer]:
    """Look up the layers of an architecture for images of a side; "" for the usual one.

    Raises:
        UsageError: for an unknown architecture, or one that makes another side.
    """
    if not architecture:
        if side not in BY_SIDE:
            raise UsageError(
                f"No architecture makes images of {side} x {side}: accepted sides are "
                f"{', '.join(map(str, BY_SIDE))}; set data.side to one of them."
            )
        architecture = BY_SIDE[side]
    if architecture not in ARCHITECTURES:
        raise UsageError(
            f'Unknown decoder.architecture "{architecture}": accepted are '
            f"{', '.join(ARCHITECTURES)}." + did_you_mean(architecture, ARCHITECTURES)
        )
    layers = ARCHITECTURES[architecture]
    if side_of(layers) != side:
        raise UsageError(
            f'decoder.architecture = "{architecture}" makes images of side {side_of(layers)}; '
            f"the data has {side}."
        )
    return layers


def side_of(layers: list[Layer]) -> int:
    """Compute the side of the image that the layers make of one pixel."""
    side = 1
    for layer in layers:
        side = (side - 1) * layer.stride - 2 * layer.padding + layer.kernel
    return side
