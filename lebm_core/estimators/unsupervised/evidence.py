"""log p(x) up to log Z, and completed examples, each row independent of the others in its batch.

Source: importance sampling with the encoder's q, Burda et al., ICLR 2016, arXiv 1509.00519; and of
missing values, Mattei and Frellsen, ICML 2019, arXiv 1812.02633 (eq. 12 and 13).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import draw
from lebm_core.data.adapters import Examples
from lebm_core.estimators.prediction import batches
from lebm_core.latent.decoder import centre_of
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["completed", "log_tilted_density"]


@torch.no_grad()
def log_tilted_density(x: Examples, model: LatentEBM, noise: Tensor) -> Tensor:
    """log p(x) + log Z, (n,) in nats, of double precision on the CPU.

    Args:
        x: the examples.
        model: "ebm", which is exact, or with an encoder, whose q is the proposal.
        noise: (draws, d), standard normal: the same for every example; an "ebm" needs none.
    """
    values = []
    for batch in batches(x, model.device):
        if model.observed:
            values.append(model.prior.log_prob(batch.flatten(1)).double().cpu())
        else:
            log_weights = _weighted(batch, model, noise.to(model.device))[1]
            values.append((log_weights.logsumexp(1) - math.log(len(noise))).cpu())
    return torch.cat(values)[: len(x)]


@torch.no_grad()
def completed(
    x: Examples, model: LatentEBM, noise: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """x (n, features) as p(x | its known values) has it, on the CPU: the mean, or a draw.

    Args:
        x: examples with NaN where they are missing; known ones are given anew as well.
        model: with an encoder that takes them.
        noise: as for `log_tilted_density`.
        generator: of a draw; None for the conditional mean, of categories their probabilities.
    """
    done = []
    for batch in batches(x, model.device):
        z, log_weights = _weighted(batch, model, noise.to(model.device))
        weights = log_weights.softmax(1)
        if generator is None:
            means = centre_of(model.decoder(z.flatten(0, 1))).double()
            done.append((weights[..., None] * means.view(*z.shape[:2], -1)).sum(1).float().cpu())
        else:
            chosen = torch.multinomial(weights, 1, generator=generator).squeeze(1)
            code = z[torch.arange(len(z), device=z.device), chosen]
            done.append(draw(model.decoder(code), generator).cpu())
    return torch.cat(done)[: len(x)]


def _weighted(x: Tensor, model: LatentEBM, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (B, draws, d) of q(z | x), and log p(x | z) p(z) / q(z | x) + log Z, (B, draws)."""
    q: Independent[Normal] = model.need_encoder("A density")(x)
    z = q.mean[:, None] + q.stddev[:, None] * noise
    flat = z.flatten(0, 1)
    joint = model.decoder.likelihood(x)(flat).double() + model.prior.log_prob(flat)
    return z, joint.view(z.shape[:2]) - q.log_prob(z.transpose(0, 1)).T
