"""What energies of voxels and of clips share: convolutions in three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lebm_core import Energy
from lebm_core.base.checks import at_least, whole, widths
from lebm_energies.networks.convolution import check_shape, check_widths

__all__ = ["Volumes", "check_volume"]


class Volumes(Energy):
    """F(x) of x (C, D, H, W) by `features`, whose output is averaged over some axes, and `head`.

    Attributes:
        shape: (C, D, H, W) of one x.
        features: convolutions.
        averaged: axes of the features (B, channels, D, H, W) that are averaged over.
        head: layers from the flat features to the logits.
    """

    capturable = True
    shape: tuple[int, ...]
    gain: float
    averaged: tuple[int, ...]
    features: nn.Sequential
    head: nn.Sequential

    def flat_features(self, z: Tensor) -> Tensor:
        """The features of each x, flat, (B, features): what the last convolution gives."""
        hidden: Tensor = self.features(z.view(-1, *self.shape))
        return (hidden.mean(self.averaged) if self.averaged else hidden).flatten(1)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        logits: Tensor = self.gain * self.head(self.flat_features(z))
        return logits

    def build(
        self,
        widths: Sequence[int],
        strides: Sequence[tuple[int, int, int]],
        hidden: Sequence[int],
        spectral: bool,
    ) -> None:
        """Make `features` and `head`.

        Args:
            widths: channels of the convolutions.
            strides: of each along D, H and W, 1 or 2.
            hidden: units of the layers between the features and the logits.
            spectral: whether layers are normalised by their largest singular value.
        """
        channels, *sides = self.shape
        layers: list[nn.Module] = []
        for width, stride in zip(widths, strides, strict=True):
            blocks = Blocks(stride)
            kernel = (4 - stride[0], 4 - stride[1], 4 - stride[2])  # 3, or half of 4 in blocks
            layers += [blocks, nn.Conv3d(channels * math.prod(stride), width, kernel), nn.SiLU()]
            channels = width
            sides = [-(-side // step) for side, step in zip(sides, stride, strict=True)]
        self.features = nn.Sequential(*layers)
        kept = [side for axis, side in enumerate(sides, 2) if axis not in self.averaged]
        units = channels * math.prod(kept)
        above: list[nn.Module] = []
        for width in hidden:
            above += [nn.Linear(units, width), nn.SiLU()]
            units = width
        self.head = nn.Sequential(*above, nn.Linear(units, self.outputs))
        if spectral:  # not of the last layer: a later stage starts with it at 0
            for module in (*self.features, *above):
                if hasattr(module, "weight"):
                    parametrizations.spectral_norm(module)


class Blocks(nn.Module):
    """The input of a convolution of stride 2 and side 4, as blocks of 2 x 2 x 2 in the channels.

    A convolution of side 2 over them is the same, and with few channels several times as quick.
    Along an axis of stride 1 a kernel has the side 3. The border is padded with zeros.

    Args:
        stride: along each axis, 1 or 2.
    """

    def __init__(self, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        padding = [
            (1, 1 + side % step) for side, step in zip(x.shape[2:], self.stride, strict=True)
        ]
        x = nn.functional.pad(x, [each for ends in reversed(padding) for each in ends])
        (n, channels), sides = x.shape[:2], x.shape[2:]
        split = [
            part for side, s in zip(sides, self.stride, strict=True) for part in (side // s, s)
        ]
        blocks = x.view(n, channels, *split).permute(0, 1, 3, 5, 7, 2, 4, 6)
        return blocks.reshape(n, channels * math.prod(self.stride), *split[::2])


def check_volume(
    name: str,
    of: str,
    latent_dim: int,
    shape: Sequence[int],
    given: Sequence[int],
    hidden: Sequence[int],
    gain: float,
    outputs: int,
) -> None:
    """Refuse options of an energy of volumes that are not possible.

    Raises:
        UsageError: naming the option, and what is accepted.
    """
    check_shape(shape, latent_dim, 4, of, name)
    check_widths(given)
    widths("energy.hidden", hidden)
    whole("energy.outputs", outputs, 1)
    at_least("energy.gain", gain, 0)
