"""Layers of the convolutional networks by image size.

Sources: Pang et al., NeurIPS 2020, arXiv 2006.08205, and its public code (SVHN, CelebA 128); Yu et
al., NeurIPS 2023, arXiv 2306.03323 (CIFAR-10, CelebA 64, their network of 28 x 28 for anomaly
detection).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from lebm_core.base.checks import WIDEST, whole
from lebm_core.errors import UsageError, did_you_mean

__all__ = [
    "ARCHITECTURES", "BY_SIDE", "DOUBLING", "SLOPE", "Architecture", "Layer", "layers_of",
    "side_of",
]  # fmt: skip

SLOPE = 0.2  # of LeakyReLU
DOUBLING = (4, 2, 1)  # kernel, stride and padding that double the side
MORE = (5, 2, 1)  # that double it and add 1
WIDE = 2048  # channels of the widest layer


class Layer(NamedTuple):
    """One transposed convolution: output channels, kernel, stride, padding."""

    channels: int
    kernel: int
    stride: int
    padding: int


def _double(*channels: int) -> list[Layer]:
    return [Layer(c, *DOUBLING) for c in channels]


Architecture = Literal[
    "", "digits", "mnist", "damc28", "svhn", "cifar10", "celeba64", "celeba128"
]  # fmt: skip
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
    whole("decoder.side", side, 1, WIDEST)
    if not architecture:
        return ARCHITECTURES[BY_SIDE[side]] if side in BY_SIDE else _usual(side)
    if architecture not in ARCHITECTURES:
        raise UsageError(
            f'Unknown decoder.architecture "{architecture}": accepted are '
            f"{', '.join(ARCHITECTURES)}." + did_you_mean(architecture, ARCHITECTURES)
        )
    layers = ARCHITECTURES[architecture]
    if side_of(layers) != side:
        raise UsageError(
            f'decoder.architecture = "{architecture}" makes images of side {side_of(layers)}; '
            f"the data has {side}: leave it out for the usual one of that side."
        )
    return layers


def _usual(side: int) -> list[Layer]:
    """The layers for a side without a published architecture, after those of sides near it.

    >>> [layer.kernel for layer in _usual(50)]  # 6, 12, 25, 50 pixels
    [6, 4, 5, 4]
    """
    least = 8 if side >= 16 else 4  # what is no smaller is halved
    steps: list[tuple[int, int, int]] = []
    first = side
    while first >= least:
        steps.insert(0, MORE if first % 2 else DOUBLING)
        first //= 2
    last = 32 if side < 16 else 64 if side < 32 else 128  # channels before the image
    channels = [min(WIDE, last * 2**i) for i in reversed(range(len(steps)))]
    shapes = [(first, 1, 0), *steps]
    return [Layer(c, *shape) for c, shape in zip([*channels, 0], shapes, strict=True)]


def side_of(layers: list[Layer]) -> int:
    """Compute the side of the image that the layers make of one pixel."""
    side = 1
    for layer in layers:
        side = (side - 1) * layer.stride - 2 * layer.padding + layer.kernel
    return side
