"""A plain denoising diffusion model of codes: the control of every energy at levels of noise."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.randomness import fork, randint
from lebm_core.errors import UsageError
from lebm_core.priors.fitted import SampledPrior, descend
from lebm_diffusion.networks.denoiser import Denoiser

__all__ = ["DenoisingPrior"]

BATCH, RATE, AVERAGE = 512, 2e-3, 0.999


class DenoisingPrior(SampledPrior):
    """A `Denoiser` of codes and the draws that follow its probability-flow equation from noise.

    It is fitted to posterior codes after training. Before, v = 0 and it is N(0, I). Its density
    is not computed.

    Args:
        latent_dim: dimension d of z.
        width: of the network's blocks.
        blocks: how many, residual, of two layers each.
        fit_steps: updates on posterior codes after training.
        steps: of the equation, by Heun's method: two passes of the network each.

    Raises:
        UsageError: for sizes that are not possible.
    """

    fitted_to = "draws"

    def __init__(
        self,
        latent_dim: int = 32,
        width: int = 256,
        blocks: int = 3,
        fit_steps: int = 5000,
        steps: int = 30,
    ) -> None:
        super().__init__(latent_dim)
        self.fit_steps = whole("prior.fit_steps", fit_steps, 1)
        self.steps = whole("prior.steps", steps, 1, 100_000)
        self.net = Denoiser(latent_dim, width, blocks)
        self.requires_grad_(False)  # trained by `fit` alone

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
        return self.net.denoise(noise, self.steps) if bool(self.fitted) else noise

    def fit(self, codes: Tensor, seed: int = 0, steps: int = 0) -> None:
        """Learn to denoise codes (N, d), from fresh weights; the weights kept are a running mean.

        Args:
            codes: at least 2.
            seed: of weights, batches and noise.
            steps: updates; 0 for `prior.fit_steps`.

        Raises:
            UsageError: for fewer than 2 codes.
        """
        if len(codes) < 2:
            raise UsageError(f"A denoising model cannot be fitted to {len(codes)} codes.")
        steps = steps or self.fit_steps
        generator = torch.Generator(codes.device).manual_seed(seed)
        with fork(generator):
            self.net.start()
            mean = [p.detach().clone() for p in self.net.parameters()]

            def loss() -> Tensor:
                rows = randint(len(codes), min(BATCH, len(codes)), codes, generator)
                return self.net.loss(codes[rows], generator)

            def average(step: int) -> None:
                keep = min(AVERAGE, step / (step + 10))
                for kept, p in zip(mean, self.net.parameters(), strict=True):
                    kept.lerp_(p.detach(), 1 - keep)

            descend(self.net, loss, steps, RATE, average)
        with torch.no_grad():
            for kept, p in zip(mean, self.net.parameters(), strict=True):
                p.copy_(kept)
        self.fitted.fill_(True)
