"""What the arguments of `LatentEBMClassifier` that are None become: by the examples and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.data.adapters import NARROW_ROWS, InputAdapter

__all__ = ["chosen", "information_of", "passes_of"]

FEW = 5_000  # rows of a matrix, below which the steps are few and larger
FAST, RATE = 1e-2, 3e-3
NARROW, WIDE = (64, 64), (200, 200)  # hidden layers of F(z)
LEAST_STEPS, MOST_STEPS = 30, 2_000
MEMORY, SHORT_MEMORY = 0.9, 0.8  # Adam's beta1; 150 steps are few for a memory of ten of them
ROWS_OF_A_STEP = 6  # each so many examples make one step more
ROWS_OF_A_LARGE_STEP = 10  # and those of a matrix below FEW rows, at their larger rate
LEAST_PASSES = 15
EVEN, KNOWN = 1.5, 5  # largest over smallest class, and labels of the smallest, to say so
INFORMATION = 10.0


def chosen(
    given: Mapping[str, Any], adapter: InputAdapter, labels: NDArray[np.int64]
) -> dict[str, Any]:
    """The arguments with a value for each that is None, and Adam's `beta1`.

    Args:
        given: the estimator's arguments, checked.
        adapter: fitted.
        labels: (n,) class ids, -1 where unknown.
    """
    n = len(labels)
    vat, radius = adapter.vat
    few = adapter.vectors and n < FEW
    found = {
        "learning_rate": FAST if few else RATE,
        "mutual_information": information_of(labels),
        "vat": vat,
        "vat_radius": radius,
        "consistency": adapter.consistency,
        "prior_hidden": NARROW if adapter.vectors and n < NARROW_ROWS else WIDE,
        "max_iter": passes_of(n, given["batch_size"], few=few),
    }
    options = {k: found[k] if v is None and k in found else v for k, v in given.items()}
    return {**options, "beta1": SHORT_MEMORY if few else MEMORY}


def information_of(labels: NDArray[np.int64]) -> float:
    """The weight of I(z; y), which makes classes of equal size: 0 unless the labels say they are.

    Args:
        labels: (n,) class ids, -1 where unknown.
    """
    counts = np.unique(labels[labels >= 0], return_counts=True)[1]
    even = counts.min() >= KNOWN and counts.max() < EVEN * counts.min()
    return INFORMATION if even else 0.0


def passes_of(n: int, batch_size: int, *, few: bool = False) -> int:
    """Passes over n examples: few steps for few examples, so that time is in proportion."""
    batches = -(-n // batch_size)
    steps = min(MOST_STEPS, LEAST_STEPS + n // (ROWS_OF_A_LARGE_STEP if few else ROWS_OF_A_STEP))
    return max(LEAST_PASSES, -(-steps // batches))
