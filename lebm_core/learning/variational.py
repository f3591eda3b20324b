"""Decoder rule "variational": the evidence lower bound with an encoder. With f = 0 it is the VAE.

Source: Pang and Wu 2021, arXiv 2108.11556, eq. 12.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from lebm_core.base.checks import at_least, whole, within
from lebm_core.base.modules import Configured, frozen
from lebm_core.base.randomness import normal_like
from lebm_core.data.dataset import Batch
from lebm_core.latent.parts import LatentModel
from lebm_core.learning.consistency import Seen
from lebm_core.learning.mcmc import MCMC
from lebm_core.learning.rules import Codes, DecoderRule, Metrics
from lebm_core.learning.symbol import Symbols, symbol_terms
from lebm_core.priors.protocols import Coupled

__all__ = ["Variational", "code_information"]

COLLAPSED = 0.1  # nats that the code tells about x, at most; telling two halves apart takes .69
LATE, LEAST_STEPS = 0.75, 200  # share of the training, and steps, before which it may recover


class Variational(Configured, DecoderRule):
    """The variational bound: -E_q log p(x|z) + w (KL(q || p0) - E_q f(z)).

    The KL is exact, each dimension's batch mean counts only above `free_bits`, w follows
    `weight`, and f's own parameters are left to the prior rule. For a coupled prior `symbol_terms`
    are added; these reach the prior too. Their information term is switched off in the part of a
    cycle in which w is 0, as in the published code, so that codes represent x before classes are
    formed.

    Args:
        kl_weight: weight of KL(q(z|x) || p0) - E_q f, after any warm-up
        kl_cycles: cycles of the KL weight over the whole training; 0 for a constant weight
        kl_zero: share of a cycle with weight 0
        kl_rise: share of a cycle in which the weight rises to kl_weight
        free_bits: nats per dimension of KL to p0 (batch mean) that cost nothing
        encoder_tilt: weight of f in the encoder's objective; 0 leaves the encoder to p0 alone

    Raises:
        UsageError: for an option that is not possible.
    """

    needs_encoder = True

    def __init__(
        self,
        kl_weight: float = 1.0,
        kl_cycles: int = 1,
        kl_zero: float = 0.0,
        kl_rise: float = 0.25,
        free_bits: float = 0.0,
        encoder_tilt: float = 1.0,
    ) -> None:
        for key, value in (
            ("kl_weight", kl_weight), ("free_bits", free_bits), ("encoder_tilt", encoder_tilt)
        ):  # fmt: skip
            at_least(f"learning.decoder.{key}", value, 0)
        whole("learning.decoder.kl_cycles", kl_cycles)
        within("learning.decoder.kl_zero", kl_zero, 0, 1)
        within("learning.decoder.kl_rise", kl_rise, 0, 1)
        self.kl_weight, self.kl_cycles = kl_weight, kl_cycles
        self.kl_zero, self.kl_rise = kl_zero, kl_rise
        self.free_bits, self.encoder_tilt = free_bits, encoder_tilt
        self.uses_tilt = encoder_tilt != 0
        self.warmup = kl_zero / max(1, kl_cycles)
        self.progress = 0.0

    def __call__(
        self,
        model: LatentModel,
        batch: Batch,
        symbols: Symbols,
        progress: float,
        generator: torch.Generator | None,
    ) -> Codes:
        if model.latent_dim == 0:
            return MCMC()(model, batch, symbols, progress, generator)
        encoder = model.need_encoder("The variational rule")
        self.progress = progress
        embedded = encoder.embed(batch.x)
        q = encoder.from_embedded(embedded, batch.x, batch.context)
        noise = normal_like(q.mean, generator)
        z = q.mean + q.stddev * noise
        nll = -model.decoder.likelihood(batch.x, batch.context)(z).mean()
        kl = model.prior.kl(q, z, batch.context).mean(0)
        counted = kl.clamp(min=self.free_bits).sum() if self.free_bits else kl.sum()
        with frozen(model.prior):
            tilt = model.prior.log_tilt(z, None, batch.context).mean()
        weight = self.weight(progress)
        losses = {"decoder": nll, "encoder": weight * (counted - self.encoder_tilt * tilt)}
        metrics: Metrics = {
            "reconstruction": nll.detach(),
            "kl": kl.sum().detach(),
            "kl_weight": weight,
        }
        if len(z) > 1:
            metrics["information"] = code_information(q.mean, q.stddev)
        if model.prior.n_classes:
            if weight == 0 and self.kl_zero > 0 and self.kl_weight > 0:
                symbols = replace(symbols, information=0.0)
            logits = cast(Coupled, model.prior).logits(z, batch.context)
            seen = Seen(embedded, noise, logits)
            losses["labels"], more = symbol_terms(model, batch, logits, symbols, generator, seen)
            metrics.update(more)
        return Codes(z.detach(), losses, metrics)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        """Posterior collapse, once the KL has its full weight and the training is nearly over."""
        told = metrics.get("information", COLLAPSED)
        full = 0 < self.kl_weight <= metrics.get("kl_weight", 0.0) * (1 + 1e-6)
        late = self.progress >= LATE and metrics.get("step", 0) >= LEAST_STEPS
        if not (full and late and told < COLLAPSED):
            return []
        return [
            f"The code carries no information about x, at most {told:.2g} nats an example "
            f"(collapsed below {COLLAPSED:g}): posterior collapse. Raise "
            "learning.decoder.free_bits, lower learning.decoder.kl_weight, raise "
            "learning.decoder.kl_zero and kl_rise, or use a weaker decoder."
        ]

    def weight(self, progress: float) -> float:
        """The weight of the KL at `progress` in [0, 1] (cyclic annealing, Fu et al. 2019)."""
        if self.kl_cycles < 1:
            return self.kl_weight
        # With one cycle the weight stays up at the end; with several each starts again.
        place = min(progress, 1 - 1e-9) * self.kl_cycles
        phase = place - math.floor(place)
        if phase < self.kl_zero:
            return 0.0
        rise = min(1.0, (phase - self.kl_zero) / self.kl_rise) if self.kl_rise > 0 else 1.0
        return self.kl_weight * rise


@torch.no_grad()
def code_information(mean: Tensor, std: Tensor) -> Tensor:
    """An upper bound on I(x; z) under q(z|x), nats: that of Gaussian marginals, independent.

    Unlike KL(q || p0), which a tilt keeps above 0, it is 0 wherever all codes are alike.

    Args:
        mean: (B, d) of q(z|x), with B > 1.
        std: likewise.
    """
    mean, std = mean.float(), std.float()
    marginal = mean.var(0) + std.square().mean(0)
    return (0.5 * marginal.log() - std.log().mean(0)).sum()
