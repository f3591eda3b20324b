"""What the generator learns from revised examples: three teachers, each with the loss it gives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.base.randomness import normal_like
from lebm_core.chains.densities import Total
from lebm_core.chains.samplers import Sampler
from lebm_core.learning.rules import Metrics
from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["TEACHERS", "Lesson", "bound", "inferred", "mismatch"]

TEACHERS = ("same-code", "langevin", "variational")


class Lesson(NamedTuple):
    """What the generator is shown: codes, and what the descriptor's chain made of them.

    Attributes:
        z: (B, d) drawn from the prior.
        x: (B, ...) revised, from g(z).
        y: (B,) class ids, or None.
        context: (B, c), or None.
    """

    z: Tensor
    x: Tensor
    y: Tensor | None
    context: Tensor | None


def mismatch(model: LatentEBM, lesson: Lesson, z: Tensor) -> Tensor:
    """The mean of -log p(x | z), a scalar: |x - g(z)|^2 / (2 sigma^2) and a constant of sigma."""
    return -model.decoder.likelihood(lesson.x, lesson.context)(z).mean()


def inferred(
    model: LatentEBM, lesson: Lesson, sampler: Sampler, generator: torch.Generator | None
) -> Tensor:
    """z moved towards p(z | x) by a chain from the z that x was made of, (B, d).

    Source: Xie et al., "Cooperative training of descriptor and generator networks", TPAMI 2018,
    arXiv 1609.09408, section 4.2 (MCMC teaching).
    """
    with torch.enable_grad(), frozen(model.decoder, model.prior, evaluating=True):
        target = Total(
            model.decoder.likelihood(lesson.x, lesson.context),
            model.prior.target(lesson.y, lesson.context),
            label="chain of the generator's posterior",
        )
        return sampler(target, lesson.z, generator=generator)


def bound(
    model: LatentEBM, lesson: Lesson, kl_weight: float, generator: torch.Generator | None
) -> tuple[dict[str, Tensor], Metrics]:
    """The evidence bound of revised examples, with an encoder: losses by part, and numbers to log.

    Source: Xie, Zheng and Li, "Learning energy-based model with variational auto-encoder as
    amortized sampler", AAAI 2021, arXiv 2012.14936 (eq. 10 and 11).
    """
    q = model.need_encoder('learning.teacher = "variational"')(lesson.x, lesson.context)
    z = q.mean + q.stddev * normal_like(q.mean, generator)
    nll = mismatch(model, lesson, z)
    # KL(q || p) = KL(q || p0) - E_q f, with f = log p / p0 of a prior that is normalised.
    tilt = model.prior.log_tilt(z, lesson.y, lesson.context).mean()
    kl = model.prior.kl(q, z, lesson.context).sum(-1).mean() - tilt
    losses = {"decoder": nll, "encoder": kl_weight * kl}
    return losses, {"reconstruction": nll.detach(), "kl": kl.detach()}
