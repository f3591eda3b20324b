"""What decoders of images share: from the output of a network to a distribution of pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from lebm_core import Decoder
from lebm_core.base.checks import choice, positive
from lebm_core.base.precision import half_is_faster
from lebm_images.networks.likelihoods import BernoulliImage, GaussianImage

__all__ = ["Likelihood", "PixelDecoder"]

Likelihood = Literal["gaussian", "bernoulli", "gaussian-map"]
LIKELIHOODS = ("gaussian", "bernoulli", "gaussian-map")


class PixelDecoder(Decoder):
    """p(x | z) over images x (B, C, H, W) in [-1, 1]; a subclass gives `output`.

    Attributes:
        likelihood_kind: of the pixels, see `DeconvDecoder`.
        allow_half: whether bfloat16 may be used in gradients where that is faster.
        log_sigma: logarithm of the standard deviation of a pixel.
    """

    likelihood_kind: str
    allow_half: bool
    capturable = True

    def set_pixels(self, likelihood: str, sigma: float, learn_sigma: bool, half: bool) -> None:
        """Keep what the constructor was given for the pixels.

        Raises:
            UsageError: for an unknown likelihood, or a sigma that is not positive.
        """
        choice("decoder.likelihood", likelihood, LIKELIHOODS)
        positive("decoder.sigma", sigma)
        self.likelihood_kind, self.allow_half = likelihood, half
        log_sigma = torch.tensor(float(sigma)).log()
        self.log_sigma = nn.Parameter(log_sigma, requires_grad=learn_sigma)

    def outputs_of(self, channels: int, likelihood: str) -> int:
        """Channels that `output` has for images of so many."""
        return 2 * channels if likelihood == "gaussian-map" else channels

    def output(self, z: Tensor, prepared: Any = None) -> Tensor:
        """Means in [-1, 1], logits, or means before tanh and spreads, (B, C or 2C, H, W).

        Args:
            z: (B, d).
            prepared: what `prepared` gave at the start of a chain.
        """
        raise TypeError(f"{type(self).__name__} defines no output(z), which makes its pixels.")

    def prepared(self) -> Any:
        """What a chain of many steps with frozen weights prepares once; by default nothing."""
        return None

    def forward(self, z: Tensor, context: Tensor | None = None) -> GaussianImage | BernoulliImage:
        """Return p(x | z), batch shape (B,), event shape (C, H, W)."""
        out = self.output(z)
        if self.likelihood_kind == "bernoulli":
            return BernoulliImage(out)
        return GaussianImage(*self._moments(out))

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        if self.likelihood_kind == "bernoulli":
            return super().likelihood(x, context)
        n, pixels = len(x), x[:1].numel()
        x = x.contiguous(memory_format=torch.channels_last)
        frozen = not any(p.requires_grad for p in self.parameters())
        chain = self.prepared() if frozen and self.in_half(x) else None

        def log_prob(z: Tensor) -> Tensor:
            target = x if len(z) == n else x.repeat_interleave(len(z) // n, 0)
            mean, sigma = self._moments(self.output(z, chain if self.in_half(z) else None))
            constant = 0.5 * pixels * math.log(2 * math.pi)
            if self.likelihood_kind == "gaussian-map":
                each = -0.5 * ((mean - target) / sigma).square() - sigma.log()
                return each.sum((1, 2, 3)) - constant
            error = (mean - target).square().sum((1, 2, 3))
            return -0.5 * error / sigma.square() - pixels * sigma.log() - constant

        return log_prob

    def _moments(self, out: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each pixel; the latter is one number or a map."""
        if self.likelihood_kind == "gaussian":
            return out, self.log_sigma.exp()
        mean, spread = out.chunk(2, dim=1)
        return mean.tanh(), self.log_sigma.exp() + softplus(spread)

    def in_half(self, like: Tensor) -> bool:
        """Return whether the network computes in bfloat16 now."""
        return self.allow_half and torch.is_grad_enabled() and half_is_faster(like.device.type)
