"""The prior, learned again after training from codes at rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.data.dataset import Dataset
from lebm_core.latent.codes import aggregate_codes, codes_with_classes, likeliest
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.tilt_refit import finish_tilt
from lebm_core.priors.ebm import EBMPrior

if TYPE_CHECKING:
    from lebm_core.models.latent_ebm import LatentEBM

__all__ = ["finish_prior"]

FITTED_CODES, FINISH_CODES = 10_000, 50_000  # codes that a prior is learned from after training
FINISH_PASSES = 40  # over few examples, so that each has several codes


def finish_prior(
    model: LatentEBM,
    dataset: Dataset,
    options: LearningOptions,
    rule: Any,
    known: Tensor | None = None,
    generator: torch.Generator | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Fits a prior that is fitted to codes, and learns a tilt again where `finish_steps` asks.

    Args:
        model: trained; its prior is changed in place.
        dataset: its training split.
        options: the finish_ keys.
        rule: one of the tilt's rules, for codes at rest.
        known: training rows whose class may be used; None for all that have one.
        generator: source of all randomness.
        log: takes a line of progress now and then.
    """
    prior = model.prior
    if prior.fitted_to:
        mean = prior.fitted_to == "means"
        prior.fit(aggregate_codes(model, dataset, FITTED_CODES, generator, mean=mean))
    elif options.finish_steps and isinstance(prior, EBMPrior):
        passes = min(FINISH_PASSES, -(-FINISH_CODES // max(1, dataset.length("train"))))
        p: Tensor | None = None
        context: Tensor | None = None
        if prior.n_classes or prior.context_dim:
            codes, p, context = codes_with_classes(
                model, dataset, FINISH_CODES, passes, known, generator
            )
            if p is not None and options.finish_classes != "soft":
                p = likeliest(p)
        else:
            with torch.no_grad():
                codes = torch.cat([
                    aggregate_codes(model, dataset, FINISH_CODES, generator) for _ in range(passes)
                ])  # fmt: skip
        finish_tilt(prior, codes, rule, options, generator, log, p, context)
