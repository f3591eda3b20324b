"""The metric chain: is what the prior's sampler draws to be trusted?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.modules import frozen
from lebm_core.chains.diagnostics import effective_sample_size, r_hat
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError, UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.latent.codes import aggregate_codes
from lebm_core.latent.parts import LatentModel
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Tilted

__all__ = ["chain"]

GAP = (
    "mean f of posterior codes minus mean f of what the prior's sampler draws, nats: near 0 where "
    "the two agree, large where the chains do not reach the codes"
)
ACCEPTANCE = "share of proposals that Metropolis-Hastings accepts, second half of the prior's chain"
MIXING = "of log p over the second half of {n} chains of the prior"
LEAST_STEPS = 8  # of a second half, for R-hat and the effective sample size


def chain(*, chains: int = 200) -> Metric:
    """Metric chain, part of every run: of a prior that is drawn by a sampler.

    Args:
        chains: of the prior, and posterior codes that they are held against; 0 for none
    """
    whole("evaluation.chains", chains, 0, 1_000_000)

    def metric(evaluation: Evaluation) -> dict[str, Value]:
        model: object = evaluation.model  # of any family
        if chains < 2 or not isinstance(model, LatentModel):
            return {}
        prior = model.prior
        if not isinstance(prior, Tilted):
            return {}
        if prior.sampler is None or not prior.latent_dim:
            return {}
        return dict(_measured(evaluation, prior, chains))

    return metric


def _measured(evaluation: Evaluation, prior: Prior, n: int) -> Iterator[tuple[str, Value]]:
    model, dataset, split = evaluation.model, evaluation.dataset, evaluation.split
    generator, name = evaluation.generator, type(prior.sampler).__name__
    n = min(n, dataset.length(split))
    context = dataset.batch(split, torch.arange(n)).context if prior.context_dim else None
    context = None if context is None else context.to(model.device)
    trace = Chain(by_row=context is not None)
    try:
        with torch.no_grad(), frozen(prior):
            z = prior.sample(n, context=context, generator=generator, trace=trace)  # type: ignore[call-arg]
    except (DivergenceError, UnsupportedEstimate) as error:
        yield "energy_gap", Value(None, None, n, split, GAP, str(error))
        return
    with torch.no_grad():
        drawn = prior.log_tilt(z, None, context)
        if context is None:
            codes = aggregate_codes(model, dataset, n, generator, split=split)
        else:
            batch = dataset.batch(split, torch.arange(n)).to(model.device)
            codes = model.inference(model, batch, generator=generator)
        f = prior.log_tilt(codes, None, context)
    spread = math.sqrt(float(f.var()) / len(f) + float(drawn.var()) / n)
    how = {"sampler": name, **({"step size": trace.step_size} if trace.step_size else {})}
    yield "energy_gap", Value(float(f.mean() - drawn.mean()), spread, n, split, GAP, extra=how)
    if trace.effective is not None:
        yield "effective", Value(
            trace.effective, None, n, "samples", "effective draws of p0 that resampling rests on",
            better="higher",
        )  # fmt: skip
    yield from _of_steps(trace, n)


def _of_steps(trace: Chain, n: int) -> Iterator[tuple[str, Value]]:
    """What a chain of several steps tells; draws by resampling have one step."""
    late = len(trace.log_prob) // 2
    if late < LEAST_STEPS:
        return
    accepted = torch.stack(trace.acceptance[late:])
    if not bool(accepted.isnan().any()):
        yield "acceptance", Value(float(accepted.mean()), None, n, "samples", ACCEPTANCE)
    if trace.exchange:
        share = torch.stack(trace.exchange).nanmean()
        yield (
            "exchange",
            Value(
                float(share), None, n, "samples", "share of exchanges between temperatures accepted"
            ),
        )
    if trace.by_row:  # chains of different densities cannot be held against each other
        return
    values: Tensor = torch.stack(trace.log_prob[late:])
    definition = MIXING.format(n=n)
    for name, found, what in (
        ("r_hat", r_hat(values), f"split R-hat {definition}; 1 where they agree"),
        ("chain_ess", effective_sample_size(values) / n,
         f"effective draws of each chain, of {len(values)} states, {definition}"),
    ):  # fmt: skip
        number = float(found)
        still = None if math.isfinite(number) else "The chains do not move."
        yield name, Value(None if still else number, None, n, "samples", what, still)
