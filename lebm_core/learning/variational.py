"""How the decoder (and the encoder) learns: functions of (model, batch) that return named losses.

Each returns the codes it used, detached, for the tilt to learn from; neither knows how the tilt
learns, nor whether there is one. With f = 0 `mcmc` is short-run inference or alternating
back-propagation, and `variational` is the VAE.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.mcmc import mcmc
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import Codes
from lebm_core.learning.symbol import symbol_terms

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["kl_schedule", "variational"]


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
