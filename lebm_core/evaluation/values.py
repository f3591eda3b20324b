"""`Value`: one figure of a results table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Value"]
Numbers = NDArray[Any]


def _share(
    right: NDArray[np.bool_], split: str, definition: str, extra: dict[str, Any] | None = None
) -> Value:
    p, n = float(right.mean()), len(right)
    return Value(p, (p * (1 - p) / n) ** 0.5, n, split, definition, extra=extra or {})


@dataclass
class Value:
    """One figure of a results table, with what is needed to read it.

    Attributes:
        value: the figure; None where it is refused.
        standard_error: None where there is none.
        n: how many samples or examples it rests on.
        split: "train", "valid", "test", or "samples".
        definition: one sentence, with the unit.
        refused: why no value is given.
        extra: anything else that a reader needs, for instance {"decoding": "multinomial"}.
    """

    value: float | None
    standard_error: float | None = None
    n: int = 0
    split: str = ""
    definition: str = ""
    refused: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
