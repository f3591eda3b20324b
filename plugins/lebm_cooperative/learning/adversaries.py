"""What adversarial rules share: draws of the generator, log-densities at them, their entropy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.base.randomness import normal_like
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import centre_of
from lebm_core.latent.encoder import Encoder
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted

__all__ = [
    "Draws",
    "Evidence",
    "check_adversaries",
    "collapse_warnings",
    "draws_of",
    "encoder_entropy",
    "evidence",
    "log_density",
    "neighbour_entropy",
    "squared_slope",
]

COLLAPSED = 0.1  # of the data's standard deviation


class Draws(NamedTuple):
    """A batch of the generator's draws, with gradients for the decoder.

    Attributes:
        z: (B, d) codes of the prior.
        x: (B, n) g(z), as vectors, with noise where there is any.
    """

    z: Tensor
    x: Tensor


def check_adversaries(model: Any) -> None:
    """Refuse parts that no adversarial rule teaches: see each sentence.

    Raises:
        UsageError: naming the key.
    """
    prior, descriptor = model.prior, model.descriptor
    if any(p.requires_grad for p in prior.parameters()) or prior.n_classes:
        raise UsageError(
            f"{type(prior).__name__} (prior.name) would have to be learned, and this rule learns "
            "no prior; use gaussian."
        )
    kind = type(descriptor).__name__
    if descriptor.taught_by or descriptor.n_levels > 1 or not isinstance(descriptor, Tilted):
        raise UsageError(f"{kind} (descriptor.name) has no one tilt to learn; use ebm.")


def draws_of(
    model: LatentEBM,
    n: int,
    context: Tensor | None,
    noise: float,
    generator: torch.Generator | None,
) -> Draws:
    """n draws of the generator: the mean of p(x | z), and noise of a standard deviation."""
    z = model.prior.draw_reference(n, generator)
    x = centre_of(model.decoder(z, context)).flatten(1)
    return Draws(z, x + noise * normal_like(x, generator) if noise else x)


class Evidence(NamedTuple):
    """The evidence lower bound on a batch, -nll - kl, in its two halves.

    Attributes:
        q: q(z | x).
        z: (B, d) a draw of it, with gradients for the encoder.
        nll: the mean of -log p(x | z).
        kl: the mean of KL(q(z | x) || p(z)).
    """

    q: Independent[Normal]
    z: Tensor
    nll: Tensor
    kl: Tensor


def evidence(
    model: LatentEBM, x: Tensor, context: Tensor | None, generator: torch.Generator | None
) -> Evidence:
    """The evidence lower bound on x (B, ...), with gradients for decoder and encoder."""
    q: Independent[Normal] = model.need_encoder("This rule")(x, context)
    z = q.mean + q.stddev * normal_like(q.mean, generator)
    nll = -model.decoder.likelihood(x, context)(z).mean()
    return Evidence(q, z, nll, model.prior.kl(q, z, context).sum(-1).mean())


def log_density(descriptor: Prior, x: Tensor, context: Tensor | None) -> Tensor:
    """f(x) + log p0(x), (B,), up to a constant; a uniform p0 has walls, which reflect x."""
    if descriptor.uniform_reference:
        return descriptor.log_tilt(descriptor.fold(x), None, context)
    return descriptor.log_prob(x, None, context)


def squared_slope(descriptor: Prior, x: Tensor, context: Tensor | None) -> Tensor:
    """The mean of |df/dx|^2 over x (B, n), a scalar with gradients for the descriptor."""
    at = x.detach().requires_grad_()
    f = descriptor.log_tilt(at, None, context).sum()
    (gradient,) = torch.autograd.grad(f, at, create_graph=True)
    return gradient.square().sum(1).mean()


def encoder_entropy(
    model: LatentEBM, encoder: Encoder, draws: Draws, context: Tensor | None, noise: float
) -> Tensor:
    """A lower bound on the entropy of the generator's x in nats, for noise above 0.

    H(x) = H(z) + H(x | z) - H(z | x), and -H(z | x) = E log p(z | x) >= E log q(z | x), with
    equality for the exact posterior (Barber and Agakov, NeurIPS 2003). Without noise, where x is of
    fewer dimensions than its space, H(x | z) is left out: a constant for the gradient in any case.
    """
    shape = model.decoder.event_shape()
    q = encoder(draws.x.view(-1, *shape), context)
    bound: Tensor = model.prior.reference.entropy() + q.log_prob(draws.z).mean()
    if not noise:
        return bound
    return bound + 0.5 * draws.x.shape[1] * math.log(2 * math.pi * math.e * noise**2)


def neighbour_entropy(x: Tensor) -> Tensor:
    """The entropy of x (B, n) in nats, from each draw's distance to its nearest neighbour.

    Source: Kozachenko and Leonenko, Problems of Information Transmission 23, 1987.
    """
    n, dimensions = x.shape
    far = torch.eye(n, device=x.device) * 1e30
    nearest = ((x[:, None] - x[None]).square().sum(-1) + far).min(1).values
    log_ball = 0.5 * dimensions * math.log(math.pi) - math.lgamma(0.5 * dimensions + 1)
    digamma = float(torch.digamma(torch.tensor(float(n))))
    log_distance = 0.5 * (nearest + 1e-12).log()
    return digamma + 0.5772156649 + log_ball + dimensions * log_distance.mean()


def collapse_warnings(metrics: dict[str, float]) -> list[str]:
    """A generator that draws nearly the same x from every z, by the metric "chain_spread"."""
    spread = metrics.get("chain_spread", 1.0)
    if spread >= COLLAPSED:
        return []
    return [
        f"The generator's draws have {spread:.2g} times the standard deviation of the data: it has "
        "collapsed. Raise learning.entropy_weight, or lower training.parts.descriptor.lr."
    ]
