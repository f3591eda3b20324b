"""cooperative.translation: how far translations are from the known map, on paired test data."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_cooperative.data.domains import DomainData
from lebm_cooperative.models.two_domains import DOMAINS, TwoDomains
from lebm_core.base.checks import positive, whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.two_sample import energy_distance
from lebm_core.evaluation.values import Value, in_row

__all__ = ["build", "nearest", "ridge", "root_mean_square", "scores"]

LANDED = 500  # translations of which the distance to their domain is measured
ROWS = 500  # of examples at once


def build(*, pairs: int = 0, ridge_penalty: float = 1.0) -> Metric:
    """Metric cooperative.translation.

    Args:
        pairs: pairs of the split that are translated; 0 for all
        ridge_penalty: of the linear regression on pairs, for data of unit variance

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.pairs", pairs)
    positive("evaluation.ridge_penalty", ridge_penalty)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        data = evaluation.need(DomainData, "cooperative.translation")
        model, split = evaluation.model, evaluation.split
        if not isinstance(model, TwoDomains):
            raise UsageError(
                'cooperative.translation measures the model "two-domains" (model.name); leave it '
                "out of evaluation.metrics for this one."
            )
        n = min(pairs or data.length(split), data.length(split))
        both = [data.domain(split, which)[:n] for which in (0, 1)]
        values: dict[str, Value] = {}
        for to in (0, 1):
            source, truth = both[1 - to], both[to]
            guess = model.translate(source, DOMAINS[to], refine=False).cpu()
            values |= scores(guess, truth, to, split, data.kind)
            chain = model.descriptors[to]
            if model.refine and getattr(chain, "sampler", None) is not None:
                moved = model.translate(
                    source, DOMAINS[to], refine=True, generator=evaluation.generator
                )
                values |= scores(moved.cpu(), truth, to, split, data.kind, "_refined")
        if evaluation.name == "model" and data.partners is not None:
            values |= _baselines(data, both, split, ridge_penalty)
        return values

    return metric


def root_mean_square(guess: Tensor, truth: Tensor, split: str, definition: str) -> Value:
    """The root of the mean squared error over examples and numbers; its error by linearisation."""
    errors = (guess - truth).flatten(1).square().mean(1).double()
    mean = Value.mean(errors, split, definition, better="lower")
    if mean.value is None:
        return mean
    root = math.sqrt(mean.value)
    error = None if mean.standard_error is None else mean.standard_error / (2 * max(root, 1e-12))
    return Value(root, error, mean.n, split, definition, better="lower")


def scores(
    guess: Tensor, truth: Tensor, to: int, split: str, kind: str, suffix: str = ""
) -> dict[str, Value]:
    """The figures of translations into one domain.

    Args:
        guess: (N, ...) translations.
        truth: (N, ...) what the known map gives.
        to: the domain, 0 or 1.
        split: of the pairs.
        kind: of the data: plane, images or tokens.
        suffix: of the names.
    """
    name = f"{DOMAINS[to]}{suffix}"
    where = f"translations into {DOMAINS[to].upper()}"
    values = {
        f"rmse_{name}": root_mean_square(
            guess, truth, split,
            f"root mean squared error of a number of {where} against the known map",
        )
    }  # fmt: skip
    if kind == "images":
        errors = (guess - truth).flatten(1).square().mean(1).double().clamp(min=1e-10)
        values[f"psnr_{name}"] = Value.mean(
            10 * (4 / errors).log10(), split, f"peak signal-to-noise ratio of {where}, dB, of "
            "pixels in [-1, 1], mean over images", better="higher",
        )  # fmt: skip
    if kind == "tokens":
        right = (guess.argmax(-1) == truth.argmax(-1)).double()
        values[f"tokens_{name}"] = Value.mean(
            right.mean(1), split, f"share of tokens of {where} that are right", better="higher"
        )
        values[f"whole_{name}"] = Value.share(
            right.amin(1) > 0, split, f"share of {where} of which all tokens are right",
            better="higher",
        )  # fmt: skip
    a, b = guess[:LANDED].flatten(1), truth[LANDED : 2 * LANDED].flatten(1)
    if len(b) < 2 or len(a) < 2:  # too few to hold halves of different items against each other
        half = len(guess) // 2
        a, b = guess[:half].flatten(1), truth[half:].flatten(1)
    if min(len(a), len(b)) > 1:
        values[f"domain_{name}"] = Value(
            float(energy_distance(a, b)), None, len(a), split,
            f"energy distance of {where} to examples of the domain, of other items; near 0 where "
            "they have its density, rightly paired or not", better="lower",
        )  # fmt: skip
    return values


def nearest(source: Tensor, examples: Tensor) -> Tensor:
    """The nearest of `examples` (M, ...) of the other domain to each source (N, ...)."""
    rows = [
        torch.cdist(some, examples.flatten(1)).argmin(1) for some in source.flatten(1).split(ROWS)
    ]
    return examples[torch.cat(rows)]


def ridge(source: Tensor, target: Tensor, asked: Tensor, penalty: float) -> Tensor:
    """The linear regression on pairs (N, ...), asked of (M, ...).

    Args:
        source: of the pairs.
        target: of the pairs.
        asked: what is translated.
        penalty: added to the diagonal of the products of centred sources.
    """
    x, y = source.flatten(1).double(), target.flatten(1).double()
    centre, mean = x.mean(0), y.mean(0)
    x = x - centre
    products = x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    weights = torch.linalg.solve(products, x.T @ (y - mean))
    found = (asked.flatten(1).double() - centre) @ weights + mean
    answer: Tensor = found.float().view(len(asked), *target.shape[1:])
    return answer


def _baselines(
    data: DomainData, both: list[Tensor], split: str, penalty: float
) -> dict[str, Value]:
    """What needs no learning of two domains: identity, nearest neighbour, ridge on pairs."""
    assert data.partners is not None
    pairs = [data.domain("train", 0), data.partners]
    values: dict[str, Value] = {}
    for to in (0, 1):
        source, truth = both[1 - to], both[to]
        rows = {
            "identity": (source, "identity"),
            "nearest": (
                nearest(source, data.domain("train", to)), "nearest example of the other domain"
            ),
            "ridge": (
                ridge(pairs[1 - to], pairs[to], source, penalty), "ridge regression on pairs"
            ),
        }  # fmt: skip
        for row, (guess, title) in rows.items():
            values |= in_row(row, scores(guess, truth, to, split, data.kind), title)
    return values
