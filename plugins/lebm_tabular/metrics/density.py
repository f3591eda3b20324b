"""tabular.density: likelihood, coverage of the modes, MMD and log Z of a model of the plane."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core import LatentEBM, log_z
from lebm_core.base.checks import at_least
from lebm_core.base.statistics import squared_mmd
from lebm_core.errors import UnsupportedEstimate
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.priors.protocols import Tilted
from lebm_tabular.data.synthetic import Synthetic

__all__ = ["density", "log_likelihood"]

# The median distance alone misses structure finer than itself.
WIDTHS = (1.0, 0.5, 0.25, 0.125)

BATCH = 500  # points at once


def density(*, draws: int = 100, points: int = 2_000) -> Metric:
    """Metric tabular.density.

    Args:
        draws: importance samples for each point, where there is a decoder.
        points: test points and model samples that the likelihood and the MMD use.

    Raises:
        UsageError: for fewer than one draw or two points.
    """
    at_least("evaluation.draws", draws, 1)
    at_least("evaluation.points", points, 2)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model = evaluation.model.density
        data = evaluation.need(Synthetic, "tabular.density")  # type: ignore[type-abstract]
        generator, split = evaluation.generator, evaluation.split
        n = data.length(split)
        real = data.batch(split, torch.arange(n)).x
        samples = evaluation.samples
        norm, how = _log_z(model, generator)
        few_or_all = real if model.observed else real[:points]  # then log p(x) is cheap
        values = _likelihood(model, data, few_or_all, norm, how, draws, generator, split)
        values |= _coverage(data, samples, "samples")
        few = min(points, n, len(samples))
        values["mmd"] = Value(
            float(squared_mmd(samples[:points], real[:points], WIDTHS)) if few > 1 else None,
            n=few, split=split,
            refused=None if few > 1 else "two samples and two points are needed",
            definition="squared maximum mean discrepancy of samples to test points, unbiased, "
            "Gaussian kernels of the median distance of the test points and 1/2, 1/4, 1/8 of it; "
            "0 for the truth",
            better="lower",
        )  # fmt: skip
        values |= _estimates_of_log_z(model, norm, how, generator)
        if evaluation.name == "model":
            truth = data.log_prob(real)
            likelihood = Value(
                float(truth.mean()), float(truth.std() / n**0.5), n, split,
                "log-density of test points under the density they were drawn from, nats",
                better="higher",
            )  # fmt: skip
            values |= in_row("real", {"log_likelihood": likelihood, **_coverage(data, real, split)})
        return values

    return metric


def _log_z(model: LatentEBM, generator: torch.Generator) -> tuple[Estimate | None, str]:
    """Estimate log Z, and name the method; None where the estimates disagree, and the reason."""
    try:
        if model.latent_dim <= 2:
            return log_z(model.prior, method="quadrature", generator=generator), "quadrature"
        return checked_log_z(model.prior, generator=generator)[0], "importance"
    except UnsupportedEstimate as reason:
        return None, str(reason)


def log_likelihood(
    model: LatentEBM, x: Tensor, norm: Estimate, draws: int, generator: torch.Generator
) -> Tensor:
    """Compute log p(x), (B,), on the CPU: by importance sampling, or exactly where x is z."""
    x = x.to(model.device)
    if model.observed:
        with torch.no_grad():
            return model.prior.log_prob(x).double().cpu() - float(norm)
    parts = [
        model.log_prob(part, n_samples=draws, log_z=norm, generator=generator).value
        for part in x.split(BATCH)
    ]
    return torch.cat(parts).cpu()


def _likelihood(
    model: LatentEBM,
    data: Synthetic,
    x: Tensor,
    norm: Estimate | None,
    by: str,
    draws: int,
    generator: torch.Generator,
    split: str,
) -> dict[str, Value]:
    how = "the prior's own"
    if not model.observed:
        proposal = "q(z|x)" if model.encoder else "a Gaussian fitted to posterior chains"
        how = f"importance sampling with {draws} draws of {proposal}"
    definition = f"log p(x) of test points, nats: {how}"
    if norm is None:
        refused = Value(None, n=len(x), split=split, definition=definition, refused=by)
        return {"log_likelihood": refused}
    definition += f", log Z by {by}"
    try:
        value = log_likelihood(model, x, norm, draws, generator)
    except UnsupportedEstimate as reason:
        refused = Value(None, n=len(x), split=split, definition=definition, refused=str(reason))
        return {"log_likelihood": refused}
    return {
        "log_likelihood": Value.mean(value, split, definition, better="higher"),
        "below_truth": Value.mean(
            data.log_prob(x.cpu()).double() - value, split,
            "how far log p(x) is below the true log-density of the same points, nats, paired; an "
            "estimate of KL(truth || model)", better="lower",
        ),
    }  # fmt: skip


def _coverage(data: Synthetic, x: Tensor, split: str) -> dict[str, Value]:
    """Measure how much of x is near a mode, and how rare the rarest mode is."""
    mode, distance = data.distance(x)
    near = distance < 3
    share = torch.bincount(mode[near], minlength=data.modes) / max(1, int(near.sum()))
    inside, n = float(near.float().mean()), len(x)
    return {
        "within_3sd": Value(
            inside, (inside * (1 - inside) / n) ** 0.5, n, split,
            "share of points within 3 standard deviations of a mode; .989 for the truth",
            better="higher",
        ),
        "smallest_mode": Value(
            float(share.min()) * data.modes, None, n, split,
            "share of the rarest mode among points within 3 standard deviations of one, relative "
            "to its true share; the least of several shares, so a little below 1 for the truth too",
            better="higher",
        ),
    }  # fmt: skip


def _estimates_of_log_z(
    model: LatentEBM, norm: Estimate | None, by: str, generator: torch.Generator
) -> dict[str, Value]:
    """Estimate log Z of a learned tilt by each method."""
    if not isinstance(model.prior, Tilted):
        return {}
    values = {}
    if norm is not None:
        values["log_z"] = Value(
            float(norm), float(norm.standard_error), norm.n_samples, "", f"log Z by {by}, nats"
        )
    for method, n in (("importance", 20_000), ("ais", 1_000)):
        estimate = log_z(
            model.prior, method=method, n_samples=n, step_size=0.15, generator=generator
        )
        ess = float(estimate.ess) if estimate.ess is not None else 0.0
        values[f"log_z_{method}"] = Value(
            float(estimate), float(estimate.standard_error), n, "samples",
            f"log Z by {method}, nats; {ess:.0f} effective draws",
        )  # fmt: skip
    return values
