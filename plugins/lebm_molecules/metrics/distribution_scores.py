"""Scores that compare the distributions of two samples of valid molecules."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.describe import BITS, PROPERTIES, Description, describe_all
from lebm_molecules.chemistry.distances import (
    cosine,
    internal_diversity,
    nearest_similarity,
    unpack,
)
from lebm_molecules.metrics.parallel import mapped

__all__ = ["compare", "described"]

UNITS = {"QED": "", "logP": "", "SA": "", "weight": ", in g/mol"}
NAMES = {
    "QED": "QED (Bickerton et al. 2012)", "logP": "logP (Wildman and Crippen 1999)",
    "SA": "the SA score (Ertl and Schuffenhauer 2009)", "weight": "the molecular weight",
}  # fmt: skip
FILTERS = {"pains": "PAINS (Baell and Holloway 2010)", "brenk": "Brenk et al. 2008"}
TANIMOTO = f"Tanimoto similarity, of Morgan fingerprints of radius 2 and {BITS:,} bits"


def described(
    molecules: Sequence[str],
    processes: int = 1,
    progress: Callable[[str, int], None] | None = None,
) -> list[Description]:
    """Describe each molecule.

    Args:
        molecules: canonical SMILES.
        processes: that share the work; 0 for one for each core.
        progress: is called with "properties" and how many molecules are done.
    """
    descriptions: list[Description] = []
    for each in mapped(describe_all, molecules, processes):
        descriptions.append(each)
        if progress is not None and len(descriptions) % 500 == 0:
            progress("properties", len(descriptions))
    return descriptions


def compare(
    made: Sequence[str],
    a: Sequence[Description],
    reference: Sequence[str],
    b: Sequence[Description],
    name: str,
) -> dict[str, Value]:
    """Return scores of generated molecules against reference molecules, or why there are none.

    Args:
        made: canonical SMILES of generated molecules.
        a: the same, `described`.
        reference: canonical SMILES of the reference.
        b: the same, `described`.
        name: of the reference.
    """
    for side, count in (("valid samples", len(made)), (f"molecules of {name}", len(reference))):
        if count < 2:
            text = "Distances of distributions, for which each side needs two molecules."
            why = f"There are {count} {side}."
            return {"distributions": Value(None, None, count, "samples", text, why)}
    of = f"{len(a):,} valid samples and {len(b):,} molecules of {name}"
    extra: dict[str, Any] = {"samples": len(a), name: len(b)}
    values: dict[str, Value] = {}

    def add(key: str, value: float, definition: str, error: float | None = None) -> None:
        values[key] = Value(float(value), error, len(a), "samples", definition, extra=dict(extra))

    bits = unpack(d.fingerprint for d in a), unpack(d.fingerprint for d in b)
    add(
        "internal_diversity", internal_diversity(bits[0]),
        f"1 - the mean {TANIMOTO}, of two different samples; the reference's own is "
        f"{internal_diversity(bits[1]):.4f}.",
    )  # fmt: skip
    nearest = nearest_similarity(*bits)
    add(
        "nearest_similarity", nearest.mean(dtype=np.float64),
        f"The mean {TANIMOTO}, of a sample to the nearest molecule of {name}; {of}.",
        float(nearest.std(dtype=np.float64)) / len(nearest) ** 0.5,
    )  # fmt: skip
    fragments = [[f for d in side for f in d.fragments] for side in (a, b)]
    text = f"Cosine of the counts of BRICS fragments; {of}."
    add("fragment_similarity", cosine(*fragments), text)
    scaffolds = [[d.scaffold for d in side if d.scaffold] for side in (a, b)]
    text = f"Cosine of the counts of Murcko scaffolds of molecules with a ring; {of}."
    if all(scaffolds):
        add("scaffold_similarity", cosine(*scaffolds), text)
    else:
        why = "One side has no molecule with a ring."
        values["scaffold_similarity"] = Value(None, None, len(a), "samples", text, why)
    from scipy.stats import wasserstein_distance

    for i, key in enumerate(PROPERTIES):
        sides = [np.array([d.properties[i] for d in side]) for side in (a, b)]
        add(
            f"wasserstein_{key}", wasserstein_distance(*sides),
            f"Wasserstein-1 distance of {NAMES[key]}{UNITS[key]}; {of}; means "
            f"{sides[0].mean():.4g} and {sides[1].mean():.4g}.",
        )  # fmt: skip
    for key, catalogue in FILTERS.items():
        passed = [1 - float(np.mean([getattr(d, key) for d in side])) for side in (a, b)]
        add(
            f"{key}_pass", passed[0],
            f"Share of valid samples that no filter of {catalogue} matches; of {name} it is "
            f"{passed[1]:.4f}.",
            (passed[0] * (1 - passed[0]) / len(a)) ** 0.5,
        )  # fmt: skip
    if importlib.util.find_spec("fcd") is not None:
        add(
            "fcd", _chemnet_distance(made, reference),
            f"Frechet ChemNet distance (Preuer et al. 2018); {of}: it falls with their number.",
        )  # fmt: skip
    return values


def _chemnet_distance(made: Sequence[str], reference: Sequence[str]) -> float:
    import torch  # not in the processes that describe molecules

    from lebm_core.base.statistics import frechet

    return frechet(*(torch.from_numpy(_chemnet(tuple(side))) for side in (made, reference)))


@functools.lru_cache(maxsize=2)  # every row of a table is compared with the same molecules
def _chemnet(molecules: tuple[str, ...]) -> NDArray[Any]:
    """The molecules' activations in ChemNet, (N, 512)."""
    import fcd

    return np.asarray(fcd.get_predictions(fcd.load_ref_model(), list(molecules)))
