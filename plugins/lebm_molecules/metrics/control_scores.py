"""Scores of molecules that were controlled to have a property.

The property is RDKit's, of each molecule drawn, and never the prediction of the head.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from lebm_core.control.controls import Property
from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.properties import values_of

__all__ = ["Drawn", "control_scores"]

Numbers = NDArray[np.float64]
SIGNS = {"at_least": ">=", "at_most": "<="}


@dataclass(frozen=True)
class Drawn:
    """Molecules that were drawn: the number of strings, and the valid ones as canonical SMILES."""

    n: int
    valid: list[str]

    def values(self, name: str) -> Numbers:
        """Return a property of the valid ones."""
        return np.array([row[0] for row in values_of(self.valid, [name])])


def control_scores(
    text: str, target: Property, made: Drawn, free: Drawn, train: frozenset[str]
) -> dict[str, Value]:
    """Return validity, uniqueness, novelty, and how far the property is as asked for.

    Args:
        text: the control, for definitions.
        target: the control.
        made: molecules drawn under it.
        free: molecules drawn without a control.
        train: canonical SMILES of the training split.
    """
    valid, name = len(made.valid), target.name
    of = f"of samples asked for {text}"
    distinct = set(made.valid)
    values = {
        "validity": _share(valid, made.n, f"Share {of} that RDKit accepts; nothing is corrected."),
        "uniqueness": _share(len(distinct), valid, f"Distinct molecules among valid ones {of}."),
        "novelty": _share(
            len(distinct - train), len(distinct),
            f"Share of distinct valid molecules {of} that are not in the training split.",
        ),
    }  # fmt: skip
    if valid < 2:
        why = f"There are {valid} valid samples."
        values["mean"] = Value(None, None, valid, "samples", f"Mean {name} {of}.", why)
        return values
    v, before = made.values(name), free.values(name)
    low, middle, high = np.quantile(v, [0.1, 0.5, 0.9]).tolist()
    extra = {"sd": float(v.std()), "10 %": low, "median": middle, "90 %": high}
    means = f"Mean {name} by RDKit, of valid samples asked for {text}."
    values["mean"] = Value.mean(v, "samples", means, extra)
    values["sd"] = Value(
        float(v.std(ddof=1)), None, valid, "samples",
        f"Standard deviation of {name} by RDKit, of valid samples asked for {text}.",
    )  # fmt: skip
    if target.kind == "target":
        values["distance"] = Value.mean(
            np.abs(v - target.value), "samples",
            f"Mean of |{name} - {target.value:g}|, the Wasserstein-1 distance to the target, of "
            f"valid samples asked for {text}.", better="lower",
        )  # fmt: skip
    if target.kind in SIGNS:
        obeys = v >= target.value if target.kind == "at_least" else v <= target.value
        values["obeyed"] = _share(
            int(obeys.sum()), valid,
            f"Share of valid samples whose {name} is {SIGNS[target.kind]} {target.value:g}.",
        )  # fmt: skip
    if len(before) > 1:
        values["shift"] = Value(
            float(wasserstein_distance(v, before)), None, valid, "samples",
            f"Wasserstein-1 distance of {name} between samples asked for {text} and samples "
            "without a control.",
        )  # fmt: skip
    return values


def _share(part: int, whole: int, definition: str) -> Value:
    return Value.share(part, "samples", definition, of=whole, better="higher")
