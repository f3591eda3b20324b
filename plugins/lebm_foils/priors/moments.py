"""A generator of codes learned by kernel moments, in the code space of an autoencoder.

Source: Li, Swersky and Zemel, "Generative moment matching networks", ICML 2015, arXiv 1502.02761
(section 4: an autoencoder first, and a network that draws its codes).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lebm_core.base.checks import positive, whole, widths
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import fork, randint
from lebm_core.base.statistics import squared_mmd
from lebm_core.errors import UsageError
from lebm_core.priors.fitted import SampledPrior, descend

__all__ = ["MomentMatchingPrior"]

HIDDEN = (256, 256)
BANDWIDTHS = (0.125, 0.25, 0.5, 1.0, 2.0)
BATCH = 256


class MomentMatchingPrior(SampledPrior):
    """A perceptron of N(0, I) whose draws have the kernel moments of posterior codes.

    It is fitted to codes after training, as the published one is to those of an autoencoder.
    Before, it is N(0, I). Its density is not computed.

    Args:
        latent_dim: dimension d of z.
        hidden: widths of the network's hidden layers.
        bandwidths: widths of the kernels, in units of the codes' median distance.
        fit_steps: updates on posterior codes after training.
        fit_lr: learning rate of these, which falls to 0.

    Raises:
        UsageError: for sizes that are not possible.
    """

    fitted_to = "draws"

    def __init__(
        self,
        latent_dim: int = 32,
        hidden: Sequence[int] = HIDDEN,
        bandwidths: Sequence[float] = BANDWIDTHS,
        fit_steps: int = 3000,
        fit_lr: float = 1e-3,
    ) -> None:
        super().__init__(latent_dim)
        widths("prior.hidden", hidden)
        if isinstance(bandwidths, str) or not isinstance(bandwidths, Sequence) or not bandwidths:
            raise UsageError(
                f"prior.bandwidths = {bandwidths!r} is not possible; use a list of numbers."
            )
        for width in bandwidths:
            positive("prior.bandwidths", width)
        self.bandwidths = tuple(bandwidths)
        self.fit_steps = whole("prior.fit_steps", fit_steps, 1)
        positive("prior.fit_lr", fit_lr)
        self.fit_lr = fit_lr
        self.net = mlp([latent_dim, *hidden, latent_dim], nn.SiLU)
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("scale", torch.ones(latent_dim))
        self.requires_grad_(False)  # trained by `fit` alone

    mean: Tensor
    scale: Tensor

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        self.refuse_classes(y)
        noise = self.draw_reference(n, generator)
        return self.mean + self.scale * self.net(noise) if bool(self.fitted) else noise

    def fit(self, codes: Tensor, seed: int = 0, steps: int = 0) -> None:
        """Match the moments of codes (N, d), from fresh weights.

        Args:
            codes: at least 2.
            seed: of weights, batches and noise.
            steps: updates; 0 for `prior.fit_steps`.

        Raises:
            UsageError: for fewer than 2 codes.
        """
        if len(codes) < 2:
            raise UsageError(f"Moments of {len(codes)} codes cannot be matched.")
        steps = steps or self.fit_steps
        self.mean.copy_(codes.mean(0))
        self.scale.copy_(codes.std(0).clamp(min=1e-6))
        scaled = (codes - self.mean) / self.scale
        generator = torch.Generator(codes.device).manual_seed(seed)
        size = min(BATCH, len(codes))

        def loss() -> Tensor:
            rows = randint(len(codes), size, codes, generator)
            drawn = self.net(self.draw_reference(size, generator))
            return squared_mmd(drawn, scaled[rows], self.bandwidths)

        with fork(generator):
            for layer in self.net:
                if isinstance(layer, nn.Linear):
                    layer.reset_parameters()
            descend(self.net, loss, steps, self.fit_lr)
        self.fitted.fill_(True)
