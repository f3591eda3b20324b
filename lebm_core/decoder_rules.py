"""How the decoder (and the encoder) learns: functions of (model, batch) that return named losses.

Each returns the codes it used, detached, for the tilt to learn from; neither knows how the tilt
learns, nor whether there is one. With f = 0 `mcmc` is short-run inference or alternating
back-propagation, and `variational` is the VAE.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lebm_core.data import Batch
from lebm_core.decoder import frozen
from lebm_core.errors import UsageError
from lebm_core.labels import symbol_terms
from lebm_core.options import LearningOptions
from lebm_core.randomness import normal_like

if TYPE_CHECKING:
    from lebm_core.model import LatentEBM

__all__ = ["Codes", "autoencoder", "kl_schedule", "mcmc", "variational"]


class Codes(NamedTuple):
    """Codes z (B, d), detached, and what moved the parts."""

    z: Tensor
    losses: dict[str, Tensor]
    metrics: dict[str, Tensor | float]


def mcmc(
    model: LatentEBM,
    batch: Batch,
    options: LearningOptions,
    progress: float,
    generator: torch.Generator | None,
) -> Codes:
    """Maximum likelihood with a posterior chain (Pang et al. 2020, Algorithm 1).

    The decoder ascends E[log p(x|z)]. An encoder, where there is one, is taught by the chain's
    end: it ascends log q(z|x). For a coupled prior `symbol_terms` are added.
    """
    if model.latent_dim == 0:  # the plain model: its posterior is the empty vector
        z = model.prior.draw_reference(len(batch.x), generator)
    else:
        z = model.inference(model, batch, generator=generator)
    nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
    losses = {"decoder": nll}
    if model.encoder is not None:
        losses["encoder"] = -model.encoder(batch.x, batch.context).log_prob(z).mean()
    metrics: dict[str, Tensor | float] = {"reconstruction": nll.detach()}
    if model.prior.n_classes:
        logits = model.prior.logits(z, batch.context)  # type: ignore[operator]
        losses["labels"], told = symbol_terms(model, batch, logits, options, generator)
        metrics.update(told)
    return Codes(z, losses, metrics)


def variational(
    model: LatentEBM,
    batch: Batch,
    options: LearningOptions,
    progress: float,
    generator: torch.Generator | None,
) -> Codes:
    """The variational bound with an encoder (Pang and Wu 2021, eq. 12).

    -E_q log p(x|z) + w (KL(q || p0) - E_q f(z)): the KL is exact, each dimension's batch mean
    counts only above `free_bits`, w follows `kl_schedule`, and the tilt's own parameters are left
    to the tilt's rule. For a coupled prior `symbol_terms` are added; these reach the prior too. Its
    information term rests while a cycle of the schedule holds w at 0, as in the published code: the
    codes then learn what x is like before anything asks for classes of them.
    """
    if model.latent_dim == 0:
        return mcmc(model, batch, options, progress, generator)
    q: Independent[Normal] = model.need_encoder("The variational rule")(batch.x, batch.context)
    z = q.mean + q.stddev * normal_like(q.mean, generator)
    nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
    kl = kl_per_dimension(q, model.prior.reference).mean(0)
    counted = kl.clamp(min=options.free_bits).sum() if options.free_bits else kl.sum()
    with frozen(model.prior):
        tilt = model.prior.log_tilt(z, None, batch.context).mean()
    weight = kl_schedule(options, progress)
    losses = {"decoder": nll, "encoder": weight * (counted - options.encoder_tilt * tilt)}
    metrics: dict[str, Tensor | float] = {
        "reconstruction": nll.detach(),
        "kl": kl.sum().detach(),
        "kl_weight": weight,
    }
    if model.prior.n_classes:
        if weight == 0 and options.kl_zero > 0 and options.kl_weight > 0:
            options = replace(options, mutual_information=0.0)
        logits = model.prior.logits(z, batch.context)  # type: ignore[operator]
        losses["labels"], told = symbol_terms(model, batch, logits, options, generator)
        metrics.update(told)
    return Codes(z.detach(), losses, metrics)


def autoencoder(
    model: LatentEBM,
    batch: Batch,
    options: LearningOptions,
    progress: float,
    generator: torch.Generator | None,
) -> Codes:
    """A regularised autoencoder (Ghosh et al. 2020, eq. 6): deterministic codes, L2 on them."""
    q: Independent[Normal] = model.need_encoder("The autoencoder rule")(batch.x, batch.context)
    z = q.mean
    nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
    penalty = options.code_penalty * 0.5 * z.square().sum(-1).mean()
    return Codes(
        z.detach(), {"decoder": nll, "encoder": penalty}, {"reconstruction": nll.detach()}
    )


def kl_per_dimension(q: Independent[Normal], reference: Distribution) -> Tensor:
    """KL(q(z|x) || p0) of each dimension, (B, d) in nats, for a Gaussian p0.

    Raises:
        UsageError: for a uniform p0, from which the KL of a Gaussian is infinite.
    """
    base = getattr(reference, "base_dist", None)
    if not isinstance(base, Normal):
        raise UsageError(
            "The variational rule needs a Gaussian reference, prior.reference = gaussian: the KL "
            "of a Gaussian code to a uniform reference is infinite; learning.decoder = mcmc works."
        )
    return torch.distributions.kl_divergence(q.base_dist, base)


def kl_schedule(options: LearningOptions, progress: float) -> float:
    """The weight of the KL at `progress` in [0, 1] (cyclic annealing, Fu et al. 2019)."""
    if options.kl_cycles < 1:
        return options.kl_weight
    # With one cycle the weight stays up at the end; with several each starts again.
    place = min(progress, 1 - 1e-9) * options.kl_cycles
    phase = place - math.floor(place)
    if phase < options.kl_zero:
        return 0.0
    rise = min(1.0, (phase - options.kl_zero) / options.kl_rise) if options.kl_rise > 0 else 1.0
    return options.kl_weight * rise
