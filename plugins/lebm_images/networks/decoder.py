"""Deconvolution decoders of images x (B, C, H, W) in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import conv_transpose2d, leaky_relu

from lebm_core.base.checks import whole, within
from lebm_images.networks.final_layer import upsample
from lebm_images.networks.karatsuba import KaratsubaUpsampling
from lebm_images.networks.pixels import Likelihood, PixelDecoder
from lebm_images.networks.shapes import DOUBLING, SLOPE, Architecture, Layer, layers_of

__all__ = ["DeconvDecoder"]


class PreparedLayers(NamedTuple):
    """The layers in the type of the computation: weights of the first, functions of the others."""

    kernel: Tensor
    bias: Tensor
    rest: list[Callable[[Tensor], Tensor]]


# Input channels from which Karatsuba's sums cost less than the products they save. Measured:
# 512 to 256 takes 0.6 of the plain time, 256 to 128 0.95, 128 to 64 1.4.
KARATSUBA_FROM = 256
NARROWED = 16  # pixels of a side from which on a width that is left to the side falls


class DeconvDecoder(PixelDecoder):
    """p(x | z): transposed convolutions with LeakyReLU between; a Gaussian mean ends in tanh.

    Args:
        latent_dim: d.
        channels: of the image.
        side: of the image, in pixels.
        architecture: digits (8 x 8), mnist or damc28 (28 x 28), svhn or cifar10 (32 x 32), celeba64
            or celeba128; empty for the usual one of that side, whichever it is.
        width: multiplies the channels of all inner layers; 0 for one that is smaller for larger
            images, 16 / side and at most 1.
        likelihood: "gaussian", "bernoulli", or "gaussian-map": a standard deviation for each pixel,
            read from z.
        sigma: standard deviation of a pixel in [-1, 1]; the smallest one of a map.
        learn_sigma: learn it, one number for all pixels ("gaussian" only).
        half: bfloat16 in gradients where that is faster; values without a gradient are float32.

    Raises:
        UsageError: for an unknown architecture, or one that makes another side.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: int,
        side: int,
        architecture: Architecture = "",
        width: float = 1.0,
        likelihood: Likelihood = "gaussian",
        sigma: float = 0.3,
        learn_sigma: bool = False,
        half: bool = True,
    ) -> None:
        super().__init__()
        whole("decoder.channels", channels, 1, 10_000)
        within("decoder.width, a factor,", width, 0, 1000)
        self.layers = layers = layers_of(architecture, side)
        width = width or min(1.0, NARROWED / side)
        self.latent_dim = latent_dim
        modules: list[nn.Module] = []
        before = latent_dim
        outputs = self.outputs_of(channels, likelihood)
        for i, layer in enumerate(layers):
            last = i == len(layers) - 1
            after = outputs if last else max(1, round(width * layer.channels))
            modules.append(
                nn.ConvTranspose2d(before, after, layer.kernel, layer.stride, layer.padding)
            )
            if not last:
                modules.append(nn.LeakyReLU(SLOPE))
            before = after
        if likelihood == "gaussian":
            modules.append(nn.Tanh())
        self.net = nn.Sequential(*modules)
        for module in self.net:
            if isinstance(module, nn.ConvTranspose2d):
                nn.init.xavier_normal_(module.weight)
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.set_pixels(likelihood, sigma, learn_sigma, half)

    def prepared(self) -> PreparedLayers:
        return self._prepared(half=True, chain=True)

    def _prepared(self, half: bool, chain: bool = False) -> PreparedLayers:
        """Prepare the first layer's kernel and bias, and the functions h -> h of the others.

        Args:
            half: in bfloat16.
            chain: for many steps with frozen weights, which repay some preparation.
        """
        parameters = [p.bfloat16() if half else p for p in self.net.parameters()]
        fast = chain and not parameters[0].is_cuda
        side, exact = self.layers[0].kernel, list(self.net.parameters())
        rest: list[Callable[[Tensor], Tensor]] = []
        for i, layer in enumerate(self.layers[1:], 1):
            kernel, bias = parameters[2 * i : 2 * i + 2]
            doubles = fast and layer[1:] == DOUBLING
            if doubles and i == len(self.layers) - 1:
                rest.append(partial(upsample, slope=SLOPE, kernel=kernel, bias=bias))
            elif doubles and side % 2 == 0 and len(kernel) >= KARATSUBA_FROM:
                rest.append(KaratsubaUpsampling(exact[2 * i], bias, SLOPE))
            else:
                rest.append(partial(_transposed, layer, kernel, bias))
            side = (side - 1) * layer.stride - 2 * layer.padding + layer.kernel
        return PreparedLayers(parameters[0], parameters[1], rest)

    def output(self, z: Tensor, prepared: PreparedLayers | None = None) -> Tensor:
        """Compute means, logits, or means and spreads, (B, C or 2C, H, W).

        Args:
            z: (B, d).
            prepared: the layers that a chain prepared at its start, or None.
        """
        kernel, bias, rest = prepared or self._prepared(self.in_half(z))
        kernel = kernel.permute(0, 2, 3, 1)  # (d, K, K, C): on one pixel it is a matrix product
        side, channels = kernel.shape[1], kernel.shape[3]
        h = torch.addmm(bias.repeat(side * side), z.to(kernel.dtype), kernel.flatten(1))
        h = h.view(-1, side, side, channels).permute(0, 3, 1, 2)
        for layer in rest:
            h = layer(h)
        h = h.float()
        return h.tanh() if self.likelihood_kind == "gaussian" else h


def _transposed(layer: Layer, kernel: Tensor, bias: Tensor, h: Tensor) -> Tensor:
    h = leaky_relu(h, SLOPE, inplace=True)
    return conv_transpose2d(h, kernel, bias, layer.stride, layer.padding)
