"""Nearest neighbours between samples and examples: two-sample accuracy, coverage, distance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.evaluation.values import Value

__all__ = ["coverage", "neighbour_accuracy", "neighbour_values"]


def neighbour_accuracy(
    drawn: Tensor, real: Tensor, across: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Whether the nearest other element of each sample and example is of its own kind, (n + m,).

    The mean is .5 where both are of one distribution, 1 where they are apart and below .5 where
    samples copy the examples (Lopez-Paz and Oquab, ICLR 2017, arXiv 1610.06545).

    Args:
        drawn: distances between samples, (n, n).
        real: distances between examples, (m, m); m = n, or .5 is not where it should be.
        across: distances of samples to examples, (n, m).
        generator: breaks ties, which are frequent where distances are counts.
    """
    n, m = across.shape
    whole = torch.cat([torch.cat([drawn, across], 1), torch.cat([across.T, real], 1)])
    whole = whole.double().fill_diagonal_(torch.inf)
    # A tie is broken by chance: each of several nearest elements is as likely as the others.
    least = whole.amin(1, keepdim=True)
    chance = torch.rand(whole.shape, generator=generator, dtype=torch.float64)
    nearest = torch.where(whole == least, chance, -1.0).argmax(1)
    kind = torch.arange(n + m) < n
    return kind[nearest] == kind


def coverage(across: Tensor) -> Tensor:
    """Whether each example is the nearest of some sample, (m,), of distances (n, m)."""
    return torch.bincount(across.argmin(1), minlength=across.shape[1]) > 0


def neighbour_values(
    drawn: Tensor, real: Tensor, across: Tensor, split: str, what: str, generator: torch.Generator
) -> Mapping[str, Value]:
    """Two-sample accuracy, distance to the nearest sample and coverage, as values.

    Args:
        drawn: distances between samples, (n, n).
        real: distances between examples, (n, n).
        across: distances of samples to examples, (n, n).
        split: of the examples.
        what: names the distance.
        generator: breaks ties.
    """
    return {
        "told_apart": Value.share(
            neighbour_accuracy(drawn, real, across, generator), split,
            "share of samples and examples whose nearest other one is of their own kind (1-NNA), "
            f"by {what}; .5 is best, and below it samples copy the examples",
        ),
        "nearest_sample": Value.mean(
            across.amin(0), split, f"{what} of an example to the nearest sample (MMD)",
            better="lower",
        ),
        "coverage": Value.share(
            coverage(across), split,
            f"share of examples that are the nearest of some sample, by {what}; as many samples as "
            "examples", better="higher",
        ),
    }  # fmt: skip
