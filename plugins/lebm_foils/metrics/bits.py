"""foils.bits: bits per dimension of discrete pixels, one yardstick for every density, and time.

Sources: Theis, van den Oord and Bethge, ICLR 2016, arXiv 1511.01844 (section 3.1, uniform
dequantisation); Wu et al., ICLR 2017, arXiv 1611.04273 (AIS).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.randomness import uniform
from lebm_core.data.dataset import subset
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.evidence.estimate import LEAST_ESS, Estimate
from lebm_core.evidence.log_z import checked_log_z, log_z
from lebm_core.priors.protocols import Tilted
from lebm_core.run.draw import draw_samples
from lebm_foils.networks.pixels import level_of, level_width, value_of

__all__ = ["bits"]

BATCH = 100  # examples at once
SETTLED = 0.02  # bits per dimension by which AIS of a quarter of the steps may differ
LEAST_CODES = 2.0  # effective codes an example (the median) below which no likelihood is given
BITS = "-log2 p(x) / d of test data, x of {levels} levels, bits per dimension"


class Likelihood(NamedTuple):
    """log p(x) of the levels of test data.

    Attributes:
        nats: (N,) of each example.
        d: numbers of one x.
        how: it was found.
        error: standard error of the mean of `nats` that log Z alone makes.
        extra: what a reader needs.
    """

    nats: Tensor
    d: int
    how: str
    error: float
    extra: dict[str, Any]


def bits(
    *,
    levels: int = 256,
    bits_examples: int = 0,
    bits_draws: int = 5,
    bits_codes: int = 200,
    ais_steps: int = 0,
    ais_chains: int = 200,
    timed_samples: int = 200,
) -> Metric:
    """Metric foils.bits: of data whose numbers have some levels from -1 to 1.

    Args:
        levels: how many values each number has, such as 17 of images.digits
        bits_examples: examples of the split, at random; 0 for all
        bits_draws: of the noise that makes a density of levels, for each example
        bits_codes: importance samples for each example, where there is a code
        ais_steps: of annealed importance sampling, where the core refuses log Z of an energy; 0
            leaves that value out
        ais_chains: of annealed importance sampling
        timed_samples: drawn to measure the time of one

    Raises:
        UsageError: for counts that are not possible.
    """
    whole("evaluation.levels", levels, 2, 1_000_000)
    for key, count in (
        ("bits_draws", bits_draws), ("bits_codes", bits_codes), ("ais_chains", ais_chains),
        ("timed_samples", timed_samples),
    ):  # fmt: skip
        whole(f"evaluation.{key}", count, 1)
    whole("evaluation.bits_examples", bits_examples)
    whole("evaluation.ais_steps", ais_steps)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        split, definition = evaluation.split, BITS.format(levels=levels)
        rows = subset(evaluation.dataset.length(split), bits_examples, evaluation.seed)
        _levels_of(evaluation, rows[:1], levels)
        counts = levels, bits_draws, bits_codes

        def value(found: Likelihood) -> Value:
            scale = 1 / (found.d * math.log(2))
            shown = Value.mean(-scale * found.nats, split, f"{definition}: {found.how}",
                               found.extra, better="lower")  # fmt: skip
            spread = shown.standard_error or 0.0
            shown.standard_error = math.hypot(spread, scale * found.error)
            return shown

        def refused(reason: str) -> Value:
            return Value(None, None, len(rows), split, definition, reason, better="lower")

        density = getattr(evaluation.model, "density", evaluation.model)
        prior = getattr(density, "prior", None)
        values = {}
        try:
            if prior is None or prior.context_dim:
                raise UnsupportedEstimate("The model has no density without a context.")
            norm = checked_log_z(prior, generator=evaluation.generator)[0]
            values["bits"] = value(_likelihood(evaluation, density, rows, norm, counts))
        except UnsupportedEstimate as reason:
            values["bits"] = refused(str(reason))
            if ais_steps and isinstance(prior, Tilted) and getattr(density, "observed", False):
                longer = _annealed(evaluation, prior, ais_steps, ais_chains)
                unsettled = _unsettled(longer, density.latent_dim)
                values["bits_ais"] = (
                    refused(unsettled) if unsettled
                    else value(_likelihood(evaluation, density, rows, longer[1], counts))
                )  # fmt: skip
        values["milliseconds"] = _time(evaluation, timed_samples)
        return values

    return metric


def _levels_of(evaluation: Evaluation, rows: Tensor, levels: int) -> Tensor:
    """x of some rows (B, ...), each number at the middle of its level.

    Raises:
        UsageError: for data that are not numbers from -1 to 1.
    """
    x = evaluation.dataset.batch(evaluation.split, rows).x
    if not (isinstance(x, Tensor) and x.is_floating_point()) or bool((x.abs() > 1 + 1e-6).any()):
        raise UsageError(
            "foils.bits needs data of numbers from -1 to 1, such as images; leave it out of "
            "evaluation.metrics."
        )
    return value_of(level_of(x, levels), levels)


def _likelihood(
    evaluation: Evaluation, density: Any, rows: Tensor, norm: Estimate, counts: tuple[int, int, int]
) -> Likelihood:
    """log p of levels: exact of a decoder of levels, else by uniform noise of a level's width.

    By Jensen's inequality the mean of log p(x + u) + d log w over u, uniform on the width w, is no
    more than the log of its integral, the probability of the level.

    Raises:
        UnsupportedEstimate: where there is no density, or too few codes carry it.
    """
    levels, draws, codes = counts
    generator = evaluation.generator
    own = getattr(density.decoder, "levels", 0)
    if own and own != levels:
        raise UsageError(
            f"evaluation.levels = {levels}, and the decoder has {own} (decoder.levels): they must "
            "be equal."
        )
    if not own and _is_discrete(density):
        raise UnsupportedEstimate("p(x | z) is of other values than the levels of the data.")
    width = level_width(levels)
    nats, effective, d = [], [], 1
    for x in _batches(evaluation, rows, levels, density.device):
        d = x[0].numel()
        total = x.new_zeros(len(x), dtype=torch.float64)
        for _ in range(1 if own else draws):
            noise = 0.0 if own else width * (uniform(x.shape, x, generator) - 0.5)
            found = density.log_prob(x + noise, n_samples=codes, log_z=norm, generator=generator)
            total = total + found.value.double() + (0.0 if own else d * math.log(width))
            if found.ess is not None:
                effective.append(found.ess.cpu())
        nats.append((total / (1 if own else draws)).cpu())
    carried = float(torch.cat(effective).median()) if effective else math.inf
    if carried < LEAST_CODES:
        raise UnsupportedEstimate(
            f"{carried:.1f} effective codes an example (the median) are too few."
        )
    how = "exact" if own else f"a bound by uniform noise, {draws} draws an example"
    if effective:
        how += f", and by importance sampling with {codes} codes, which is a bound too"
    if norm.method != "exact":
        how += f", log Z by {norm.method}"
    extra = {"log_z": float(norm), "log_z_error": float(norm.standard_error)}
    return Likelihood(torch.cat(nats), d, how, float(norm.standard_error), extra)


def _batches(evaluation: Evaluation, rows: Tensor, levels: int, device: Any) -> Iterator[Tensor]:
    for index in rows.split(BATCH):
        yield _levels_of(evaluation, index, levels).to(device)


def _is_discrete(density: Any) -> bool:
    """Whether p(x | z) is of classes or bits, with no density."""
    if getattr(density, "observed", False):
        return bool(density.prior.discrete)
    with torch.no_grad():
        p = density.decoder(density.prior.draw_reference(1, None))
    try:
        return bool(p.support.is_discrete)
    except (AttributeError, NotImplementedError):
        return False


def _annealed(
    evaluation: Evaluation, prior: Any, steps: int, chains: int
) -> tuple[Estimate, Estimate]:
    """log Z by AIS of a quarter of the steps, and of all of them."""
    quarter, whole_ = (
        log_z(prior, method="ais", n_samples=chains, temperatures=n, generator=evaluation.generator)
        for n in (max(1, steps // 4), steps)
    )
    return quarter, whole_


def _unsettled(pair: tuple[Estimate, Estimate], d: int) -> str:
    """Why AIS says nothing; "" where it does."""
    quarter, whole_ = pair
    moved = abs(float(whole_) - float(quarter)) / (d * math.log(2))
    ess = float("nan") if whole_.ess is None else float(whole_.ess)
    shown = (
        f"AIS alone gives log Z {float(whole_):.1f} ({ess:.0f} effective chains), and "
        f"{float(quarter):.1f} in a quarter of the steps"
    )
    if not ess >= LEAST_ESS:
        return f"{shown}; fewer than {LEAST_ESS:g} effective chains carry no figure."
    if not moved <= SETTLED:
        return f"{shown}; {moved:.2f} bits per dimension apart is more than {SETTLED:g}."
    return ""


def _time(evaluation: Evaluation, n: int) -> Value:
    """The wall-clock time of one of n draws that are made at once, after a first one."""
    model: Any = evaluation.model
    data = evaluation.dataset
    draw_samples(model, data, 1, seed=evaluation.seed, split=evaluation.split)
    began = time.perf_counter()
    draw_samples(model, data, n, seed=evaluation.seed, split=evaluation.split)
    seconds = time.perf_counter() - began
    return Value(
        1e3 * seconds / n, None, n, "samples",
        f"milliseconds a sample, {n} drawn at once, {torch.get_num_threads()} threads",
        better="lower",
    )  # fmt: skip
