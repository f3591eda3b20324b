"""cooperative.refinement: does the chain bring the generator's draws nearer the data?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_cooperative.metrics.given import Given, given_of, whole_set
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.base.checks import whole
from lebm_core.base.modules import frozen
from lebm_core.base.statistics import frechet
from lebm_core.chains.trace import Chain
from lebm_core.data.dataset import Dataset
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row

__all__ = ["Drawn", "Features", "build", "drawn"]

FOLDS = 10  # of the jackknife
LEAST = 4 * FOLDS  # examples


class Drawn(NamedTuple):
    """Draws of a model for examples of a split, (n, ...) on the CPU.

    Attributes:
        start: g(z).
        end: after the descriptor's chain.
        f: (2, n) f before and after, in nats.
        acceptance: of the chain's steps; None where it rejects none.
    """

    start: Tensor
    end: Tensor
    f: Tensor
    acceptance: float | None


def build(*, refined: int = 500, components: int = 20) -> Metric:
    """Metric cooperative.refinement, for real numbers of one shape.

    Args:
        refined: examples of the split, and as many draws of their classes and contexts
        components: principal components of the training data that the Frechet distance is of
    """
    whole("evaluation.refined", refined, LEAST, 1_000_000)
    whole("evaluation.components", components, 1, 10_000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, data, split = evaluation.model, evaluation.dataset, evaluation.split
        n = min(refined, data.length(split))
        if n < LEAST:
            return {}
        real = given_of(data, split, n)
        features = Features(data, components)
        values: dict[str, Value] = {}
        if isinstance(model, EnergyGenerator) and model.refine:
            found = drawn(model, real, evaluation.generator)
            after, before = (real._replace(x=x) for x in (found.end, found.start))
            values |= features.distances(after, real, "samples", "samples, refined")
            starts = features.distances(before, real, "samples", "the generator's own draws")
            values |= {f"start_{name}": value for name, value in starts.items()}
            values |= _chain(found)
        else:
            ours = real._replace(x=real.sample(model, evaluation.generator))
            values |= features.distances(ours, real, "samples", "samples")
        if evaluation.name == "model":
            train = given_of(data, "train", n)
            as_many = given_of(data, split, len(train.x))
            bound = features.distances(train, as_many, "train", "training data")
            values |= in_row("real", bound)
        return values

    return metric


@torch.no_grad()
def drawn(model: EnergyGenerator, real: Given, generator: torch.Generator) -> Drawn:
    """Draws for the classes and contexts of examples, before and after the chain."""
    start = real.sample(model, generator, refine=False)
    descriptor, context, y = model.descriptor, real.context, real.y
    given = context.to(model.device) if context is not None and descriptor.context_dim else None
    of = y.to(model.device) if y is not None and descriptor.n_classes else None
    trace = Chain()
    with frozen(descriptor, evaluating=True):
        first = descriptor.fold(start.to(model.device).flatten(1))
        assert descriptor.sampler is not None  # else there is no descriptor to refine by
        target = descriptor.target(of, given)
        last = descriptor.sampler(target, first, generator=generator, trace=trace)
        f = [descriptor.log_tilt(each, of, given).cpu() for each in (first, last)]
    accepted = None
    if descriptor.sampler.adjusted and trace.acceptance:
        accepted = float(torch.stack(trace.acceptance).mean())
    return Drawn(start, last.view(start.shape).cpu(), torch.stack(f), accepted)


def _chain(found: Drawn) -> dict[str, Value]:
    moved = (found.end - found.start).flatten(1).square().mean(1).sqrt()
    values = {
        f"f_{name}": Value.mean(f.double(), "samples", f"f, nats, {when} the chain")
        for name, f, when in zip(("start", "refined"), found.f, ("before", "after"), strict=True)
    }
    values["moved"] = Value.mean(
        moved.double(), "samples", "root mean square of what the chain adds to a number of x"
    )
    if found.acceptance is not None:
        values["refining_acceptance"] = Value(
            found.acceptance, None, len(moved), "samples", "share of the chain's proposals accepted"
        )
    return values


class Features:
    """Principal components of the training data: what the Frechet distance is of.

    Args:
        data: whose training split they are of.
        components: how many, at most.
    """

    def __init__(self, data: Dataset, components: int) -> None:
        x = whole_set(data, "train").flatten(1).double()
        self.mean = x.mean(0)
        k = min(components, x.shape[1], len(x) - 1)
        self.axes = torch.linalg.svd(x - self.mean, full_matrices=False).Vh[:k].T

    def __call__(self, x: Tensor) -> Tensor:
        """x (n, ...) as (n, k)."""
        components: Tensor = (x.flatten(1).double() - self.mean) @ self.axes
        return components

    def distances(self, own: Given, real: Given, split: str, of: str) -> dict[str, Value]:
        """Distances of examples or draws to as many examples, all with their contexts.

        Args:
            own: of which row i may have the context of row i of the others.
            real: the others.
            split: of the first.
            of: the first, in words.
        """
        ours, theirs = own.vectors().double(), real.vectors().double()
        a, b = self(own.x), self(real.x)
        n, k = len(own.x), a.shape[1]
        return {
            "distance": Value(
                paired_distance(ours, theirs),
                jackknife(lambda kept: paired_distance(ours[kept], theirs[kept]), n), n, split,
                f"energy distance of {of} to test data; 0 for the same density; the error is a "
                "jackknife's over both", better="lower",
            ),
            "frechet": Value(
                frechet(a, b), jackknife(lambda kept: frechet(a[kept], b), n), n, split,
                f"Frechet distance of {of} to test data in {k} principal components of the "
                "training data; the error is a jackknife's over them", better="lower",
            ),
        }  # fmt: skip


def paired_distance(a: Tensor, b: Tensor) -> float:
    """The energy distance of (n, d) and (n, d), unbiased, where row i of both has one context.

    A pair of that kind is nearer than two that are drawn apart, so that it does not count.
    """
    others = 1 - torch.eye(len(a), dtype=a.dtype)
    cross, first, second = (
        (torch.cdist(one, two) * others).sum() / others.sum()
        for one, two in ((a, b), (a, a), (b, b))
    )
    return float(2 * cross - first - second)


def jackknife(value: Callable[[Tensor], float], n: int) -> float:
    """The standard error of a value of n rows: each of ten folds is left out in turn.

    Args:
        value: of the rows that are kept, (n,) of bool.
        n: rows.
    """
    fold = torch.arange(n) % FOLDS
    without = torch.tensor([value(fold != i) for i in range(FOLDS)], dtype=torch.float64)
    return float(((without - without.mean()).square().sum() * (FOLDS - 1) / FOLDS).sqrt())
