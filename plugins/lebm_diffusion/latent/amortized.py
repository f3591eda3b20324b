"""Inference "diffusion-amortized": a posterior chain from the draw of a model learned from chains.

Source: Yu et al., "Learning energy-based prior model with diffusion-amortized MCMC", NeurIPS 2023,
arXiv 2310.03218.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor

from lebm_core import Sampler
from lebm_core.base.checks import whole, within
from lebm_core.base.modules import frozen
from lebm_core.base.randomness import standard_normal, uniform
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Batch
from lebm_core.latent.chains import PosteriorChain
from lebm_core.latent.inference import LatentParts, LearnedInference
from lebm_core.registry.parts import Part, make, table_of
from lebm_diffusion.networks.denoiser import Denoiser

__all__ = ["DiffusionAmortized"]

SAMPLER = Part("samplers", "langevin", {"steps": 10, "step_size": 0.1})


class DiffusionAmortized(LearnedInference, PosteriorChain):
    """z ~ Q(z | x), a denoising model that sees the encoder's q(z | x), then a short chain.

    Q learns from where its chains end, as the encoder does, under the decoder rule "mcmc": each
    batch brings it nearer the posterior, and its chain less far to go. Unlike q it may have
    several modes. Before it is trained its draws are N(0, I), those of short-run inference.

    Args:
        latent_dim: dimension d of z; the prior gives it.
        sampler: of the posterior chain, a `Sampler`, or its table.
        width: of Q's network.
        blocks: of Q's network, of two layers each.
        denoising_steps: from noise to a draw of Q, two passes of the network each.
        from_reference: share of the chains of a training that start at p0. A chain seldom crosses
            from mode to mode, so that Q taught by its own chains alone loses modes one by one.

    Raises:
        UsageError: for sizes that are not possible.
    """

    needs_encoder = True

    def __init__(
        self,
        latent_dim: int = 32,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        width: int = 128,
        blocks: int = 2,
        denoising_steps: int = 8,
        from_reference: float = 0.5,
    ) -> None:
        LearnedInference.__init__(self)
        PosteriorChain.__init__(self, make(SAMPLER, sampler))
        self.denoising_steps = whole("inference.denoising_steps", denoising_steps, 1, 100_000)
        within("inference.from_reference", from_reference, 0, 1)
        self.from_reference = from_reference
        self.net = Denoiser(latent_dim, width, blocks, condition=2 * latent_dim, owner="inference")
        self.remember(sampler=table_of(SAMPLER, self.sampler))

    def forward(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        encoder = model.need_encoder("DiffusionAmortized")
        with torch.no_grad(), frozen(encoder, evaluating=True):
            seen = _seen(model, batch)
            noise = standard_normal((len(seen), model.prior.latent_dim), seen, generator)
            start = self.net.denoise(noise, self.denoising_steps, seen)
            if model.training:
                plain = model.prior.draw_reference(len(seen), generator)
                fresh = uniform((len(seen), 1), seen, generator) < self.from_reference
                start = torch.where(fresh, plain, start)
        return self.run(model, batch, start, generator, trace)

    def loss(
        self, model: LatentParts, batch: Batch, z: Tensor, generator: torch.Generator | None
    ) -> Tensor:
        """The error of denoising its chains' codes z (B, d); the encoder learns too."""
        return self.net.loss(z, generator, _seen(model, batch))


def _seen(model: LatentParts, batch: Batch) -> Tensor:
    """What Q is conditioned on, (B, 2d): mean and log standard deviation of q(z | x)."""
    q = model.need_encoder("DiffusionAmortized")(batch.x, batch.context)
    return torch.cat([q.mean, q.stddev.log()], dim=-1)
