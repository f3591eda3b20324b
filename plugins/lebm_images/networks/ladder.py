"""A ladder of latent layers: z enters the decoder at several depths, and leaves the encoder there.

Source: Zhao, Song and Ermon, "Learning hierarchical features from generative models" (variational
ladder autoencoder), ICML 2017, arXiv 1702.08396; with an energy over all layers: Cui, Wu and Han,
ICCV 2023, arXiv 2309.03347.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal
from torch.nn.functional import leaky_relu

from lebm_core import Encoder, gaussian_code
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_images.networks.augmentations import augment, check_augmentation
from lebm_images.networks.pixels import Likelihood, PixelDecoder
from lebm_images.networks.shapes import SLOPE

__all__ = ["LadderDecoder", "LadderEncoder"]

LEAST_SIDE = 4  # of the map that the topmost layer enters


class LadderDecoder(PixelDecoder):
    """p(x | z), z of several layers of equal size one after another, the most abstract one first.

    Each layer is mapped linearly to a feature map and added to what the layers above have made of
    theirs; maps double their side from layer to layer, and on to the image.

    Args:
        latent_dim: d, of all layers together.
        channels: of the image.
        side: of the image, in pixels.
        levels: latent layers.
        width: channels of the last map before the image; each one above it has twice as many, the
            fourth and further ones as many as the third.
        likelihood: see `DeconvDecoder`.
        sigma: standard deviation of a pixel in [-1, 1]; the smallest one of a map.
        learn_sigma: learn it, one number for all pixels ("gaussian" only).

    Raises:
        UsageError: for a latent_dim that is no multiple of the levels, or more levels than the
            image has sizes.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        levels: int = 3,
        width: int = 32,
        likelihood: Likelihood = "gaussian",
        sigma: float = 0.3,
        learn_sigma: bool = False,
    ) -> None:
        super().__init__()
        whole("decoder.channels", channels, 1, 10_000)
        whole("decoder.width", width, 1, 10_000)
        sides = sides_of(side, levels, "decoder")
        self.latent_dim, self.levels, self.sides = latent_dim, levels, sides
        self.latent_layout = {"levels": levels}
        each = layer_size(latent_dim, levels, "decoder")
        widths = [width * 2 ** min(k, 2) for k in reversed(range(len(sides) - 1))]
        self.maps = list(zip(widths, sides, strict=False))[:levels]
        self.enter = nn.ModuleList(nn.Linear(each, c * s * s) for c, s in self.maps)
        after = [*widths[1:], self.outputs_of(channels, likelihood)]
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 4, 2, 1) for a, b in zip(widths, after, strict=True)
        )
        self.set_pixels(likelihood, sigma, learn_sigma, half=False)

    def output(self, z: Tensor, prepared: None = None) -> Tensor:
        h: Tensor | None = None
        layers = z.chunk(self.levels, dim=1)
        for k, double in enumerate(self.doublings):
            if k < self.levels:
                c, s = self.maps[k]
                entered = self.enter[k](layers[k]).view(-1, c, s, s)
                h = entered if h is None else h + entered
            assert h is not None
            h = double(leaky_relu(h, SLOPE))
            wanted = self.sides[k + 1]  # an odd side is cut to
            h = h[:, :, :wanted, :wanted]
        assert h is not None
        return h.tanh() if self.likelihood_kind == "gaussian" else h


class LadderEncoder(Encoder):
    """q(z | x): convolutions that halve the side; each layer of z leaves where its map is as small
    as that which it enters in `LadderDecoder`.

    Args:
        latent_dim: d, of all layers together.
        channels: of the image.
        side: of the image, in pixels.
        levels: latent layers.
        width: channels of the first convolution; further ones have twice, then four times as many.
        shift: largest shift in pixels of an augmented image (learning.symbols.consistency).
        mirror: mirror augmented images with probability one half.

    Raises:
        UsageError: as for the decoder; for a shift that no image of that side has.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        levels: int = 3,
        width: int = 32,
        shift: int = 0,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        whole("encoder.channels", channels, 1, 10_000)
        whole("encoder.width", width, 1, 10_000)
        check_augmentation(shift, mirror, side)
        self.latent_dim, self.levels, self.shift, self.mirror = latent_dim, levels, shift, mirror
        self.latent_layout = {"levels": levels}
        sides = sides_of(side, levels, "encoder")[:-1]  # of the maps, the smallest first
        each = layer_size(latent_dim, levels, "encoder")
        widths = [width * 2 ** min(k, 2) for k in range(len(sides))]
        before = [channels, *widths]
        self.halvings = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2, 1 + side_is_odd)
            for a, b, side_is_odd in zip(before, widths, _odd([*sides, side]), strict=False)
        )
        leaving = list(zip(widths, reversed(sides), strict=True))[-levels:]
        self.leave = nn.ModuleList(nn.Linear(c * s * s, 2 * each) for c, s in reversed(leaving))

    def forward(self, x: Tensor, context: Tensor | None = None) -> Independent[Normal]:
        h, maps = x, []
        for halve in self.halvings:
            h = leaky_relu(halve(h), SLOPE)
            maps.append(h)
        codes = [
            leave(h.flatten(1)).chunk(2, dim=1)
            for leave, h in zip(self.leave, reversed(maps), strict=False)
        ]
        means, spreads = zip(*codes, strict=True)
        return gaussian_code(torch.cat([*means, *spreads], dim=1))

    def augment(
        self, embedded: Tensor, hidden: float, generator: torch.Generator | None = None
    ) -> Tensor:
        return augment(embedded, hidden, self.shift, self.mirror, generator)


def sides_of(side: int, levels: int, part: str) -> list[int]:
    """The sides of the maps from the topmost layer's to the image's.

    >>> sides_of(28, 3, "decoder"), sides_of(25, 2, "decoder")
    ([4, 7, 14, 28], [4, 7, 13, 25])

    Raises:
        UsageError: for more levels than there are maps smaller than the image.
    """
    whole(f"{part}.side", side, 1, 100_000)
    whole(f"{part}.levels", levels, 1, 20)
    sides = [side]
    while sides[0] > LEAST_SIDE:
        sides.insert(0, (sides[0] + 1) // 2)
    if levels > len(sides) - 1:
        raise UsageError(
            f"{part}.levels = {levels} is too many for images of side {side}; use at most "
            f"{max(1, len(sides) - 1)}."
        )
    return sides


def layer_size(latent_dim: int, levels: int, part: str) -> int:
    """Dimensions of each layer.

    Raises:
        UsageError: where they would differ.
    """
    if latent_dim % levels or not latent_dim:
        raise UsageError(
            f"prior.latent_dim = {latent_dim} is no multiple of {part}.levels = {levels}; the "
            f"layers are of equal size: use {max(1, -(-latent_dim // levels)) * levels}."
        )
    return latent_dim // levels


def _odd(sides: list[int]) -> list[int]:
    """1 for each side, from the image's down, that is odd: it is halved upwards."""
    return [side % 2 for side in reversed(sides)]
