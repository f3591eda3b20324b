"""Layers of the convolutional networks by image size."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ARCHITECTURES", "BY_SIDE", "DOUBLES", "LEAK", "Layer", "side_of"]

LEAK = 0.2
DOUBLES = (4, 2, 1)  # kernel, stride and padding that double the side


class Layer(NamedTuple):
    """One transposed convolution: output channels, kernel, stride, padding."""

    channels: int
    kernel: int
    stride: int
    padding: int


def _double(*channels: int) -> list[Layer]:
    return [Layer(c, *DOUBLES) for c in channels]


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


def side_of(layers: list[Layer]) -> int:
    """The side of the image that the layers make of one pixel."""
    side = 1
    for layer in layers:
        side = (side - 1) * layer.stride - 2 * layer.padding + layer.kernel
    return side
