"""Convolutional encoder of images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core import Encoder, gaussian_code
from lebm_core.base.checks import whole
from lebm_core.base.precision import half_is_faster
from lebm_images.networks.augmentations import augment, check_augmentation
from lebm_images.networks.shapes import SLOPE

__all__ = ["ConvEncoder"]


class ConvEncoder(Encoder):
    """q(z | x): convolutions that halve the side until it is at most 4, then a linear layer.

    Args:
        latent_dim: d.
        channels: of the image.
        side: of the image, in pixels.
        width: channels of the first convolution; each further one doubles them.
        half: bfloat16 in gradients where that is faster.
        shift: largest shift in pixels of an augmented image (learning.symbols.consistency).
        mirror: mirror augmented images with probability one half.

    Raises:
        UsageError: for a shift that no image of that side has, or a mirror that is no bool.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        width: int = 64,
        half: bool = True,
        shift: int = 0,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        whole("encoder.channels", channels, 1, 10_000)
        whole("encoder.side", side, 1, 100_000)
        whole("encoder.width", width, 1, 100_000)
        check_augmentation(shift, mirror, side)
        self.latent_dim, self.allow_half, self.shift, self.mirror = latent_dim, half, shift, mirror
        modules: list[nn.Module] = []
        before, after = channels, width
        while side > 4:
            modules += [nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE)]
            before, after, side = after, 2 * after, side // 2
        self.net = nn.Sequential(*modules, nn.Flatten())
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.output = nn.Linear(before * side * side, 2 * latent_dim)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        device = x.device.type
        half = self.allow_half and torch.is_grad_enabled() and half_is_faster(device)
        with torch.autocast(device, torch.bfloat16, enabled=half):
            h = self.net(x.contiguous(memory_format=torch.channels_last))
        return gaussian_code(self.output(h.float()))

    def augment(
        self, embedded: Tensor, hidden: float, generator: torch.Generator | None = None
    ) -> Tensor:
        return augment(embedded, hidden, self.shift, self.mirror, generator)
