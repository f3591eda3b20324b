"""Energy "convolution": a convolutional network over images of any size, without normalisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from lebm_core import Energy
from lebm_core.base.checks import at_least, whole
from lebm_core.base.checks import widths as layer_widths
from lebm_core.base.randomness import fork
from lebm_core.errors import UsageError
from lebm_energies.networks.clipping import clipped

__all__ = ["Convolution"]


class Convolution(Energy):
    """F(x) of images x (C, H, W): convolutions of stride 2, SiLU, a linear layer of their features.

    SiLU since a chain follows the gradient by x, which a ReLU makes piecewise constant; no
    normalisation, with which f of an example would depend on the others of its batch (Nijkamp et
    al., NeurIPS 2019, arXiv 1904.09770). With `pooled`, features are averaged over their
    places: f is then of a texture, stationary and of images of any size.

    Args:
        latent_dim: numbers of one x.
        shape: (C, H, W) of one x; the data set gives it.
        widths: channels of the layers, the first of stride 1 and the others of stride 2.
        spectral: normalise each convolution by its largest singular value (Miyato et al., ICLR
            2018, arXiv 1802.05957).
        pooled: average the features over places.
        hidden: units of the layers between the features and F.
        clip: largest norm of df/dx that a chain sees, in nats a unit of x; 0 for all of it.
        outputs: C of the logits.

    Raises:
        UsageError: for x that are no images, or widths that are not positive.
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        widths: Sequence[int] = (32, 64, 128),
        spectral: bool = False,
        pooled: bool = False,
        hidden: Sequence[int] = (),
        clip: float = 0.0,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        check_shape(shape, latent_dim, 3, "images (C, H, W)", "convolution")
        check_widths(widths)
        layer_widths("energy.hidden", hidden)
        whole("energy.outputs", outputs, 1)
        at_least("energy.clip", clip, 0)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, 0
        self.shape, self.pooled, self.clip = tuple(shape), pooled, clip
        channels, *sides = self.shape
        layers: list[nn.Module] = []
        for place, width in enumerate(widths):
            stride = 1 if place == 0 else 2
            layers += [nn.Conv2d(channels, width, 3, stride, 1), nn.SiLU()]
            channels, sides = width, [-(-side // stride) for side in sides]
        # Channels last: the products of a chain's steps take three quarters of the time.
        self.features = nn.Sequential(*layers)
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        units = channels if pooled else channels * math.prod(sides)
        above: list[nn.Module] = []
        for width in hidden:
            above += [nn.Linear(units, width), nn.SiLU()]
            units = width
        self.last = nn.Sequential(*above, nn.Linear(units, outputs))
        if spectral:  # not of the last layer: a later stage starts with it at 0
            for layer in layers[::2]:
                parametrizations.spectral_norm(layer)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        x = clipped(z, self.clip).view(-1, *self.shape)
        found = self.features(x.contiguous(memory_format=torch.channels_last))
        flat = found.mean((2, 3)) if self.pooled else found.flatten(1)
        logits: Tensor = self.last(flat)
        return logits

    def reset(self, generator: torch.Generator | None = None) -> None:
        super().reset(generator)
        with fork(generator):  # the weights under a normalisation, which a layer does not reach
            for layer in self.modules():
                if parametrize.is_parametrized(layer, "weight"):
                    inner: Any = layer.parametrizations
                    nn.init.kaiming_uniform_(inner["weight"].original, a=math.sqrt(5))


def check_shape(shape: Sequence[int], latent_dim: int, axes: int, of: str, name: str) -> None:
    """Refuse x of another shape than an energy takes.

    Raises:
        UsageError: naming the shape.
    """
    for size in shape:
        whole("energy.shape", size, 1)
    if len(shape) != axes:
        raise UsageError(f"The energy {name} takes {of}, and one x has the shape {tuple(shape)}.")
    if math.prod(shape) != latent_dim:
        raise UsageError(
            f"The energy {name} has the shape {tuple(shape)}, {math.prod(shape)} numbers, and the "
            f"prior has latent_dim = {latent_dim}."
        )


def check_widths(given: Sequence[int]) -> None:
    """Refuse a network without layers, or with layers of no width."""
    layer_widths("energy.widths", given)
    if not given:
        raise UsageError("energy.widths = [] is no network; use [32, 64].")
