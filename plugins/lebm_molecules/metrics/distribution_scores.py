"""Scores that compare the distributions of two samples of valid molecules."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lebm_core.evaluation.values import Value
from lebm_molecules.chemistry.describe import BITS, EASY, PROPERTIES, Description, describe
from lebm_molecules.chemistry.distances import (
    cosine,
    internal_diversity,
    nearest_similarity,
    unpack,
)
from lebm_molecules.chemistry.limited import Refused
from lebm_molecules.chemistry.parallel import mapped

__all__ = ["compare", "described"]

UNITS = {"QED": "", "logP": "", "SA": "", "weight": ", in g/mol"}
NAMES = {
    "QED": "QED (Bickerton et al. 2012)", "logP": "logP (Wildman and Crippen 1999)",
    "SA": "the SA score (Ertl and Schuffenhauer 2009)", "weight": "the molecular weight",
}  # fmt: skip
FILTERS = {"pains": "PAINS (Baell and Holloway 2010)", "brenk": "Brenk et al. 2008"}
DISTANCES = ("wasserstein_", "fcd")  # lower is better; of all other scores higher
TANIMOTO = f"Tanimoto similarity, of Morgan fingerprints of radius 2 and {BITS:,} bits"


def described(
    molecules: Sequence[str],
    processes: int = 1,
    progress: Callable[[str, int], None] | None = None,
) -> list[tuple[str, Description]]:
    """Return molecules with their descriptions, without those that take RDKit too long.

    Args:
        molecules: canonical SMILES.
        processes: that share the work; 0 for one for each core.
        progress: is called with "properties" and how many molecules are done.
    """
    descriptions: list[tuple[str, Description]] = []
    for done, (smiles, found) in enumerate(mapped(describe, molecules, processes, EASY), 1):
        if not isinstance(found, Refused):
            descriptions.append((smiles, found))
        if progress is not None and done % 500 == 0:
            progress("properties", done)
    return descriptions


def compare(
    made: Sequence[tuple[str, Description]],
    reference: Sequence[tuple[str, Description]],
    name: str,
) -> dict[str, Value]:
    """Return scores of generated molecules against reference molecules, or why there are none.

    Args:
        made: generated molecules, `described`.
        reference: those of the reference, likewise.
        name: of the reference.
    """
    for side, count in (("valid samples", len(made)), (f"molecules of {name}", len(reference))):
        if count < 2:
            text = "Distances of distributions, for which each side needs two molecules."
            why = f"There are {count} {side}."
            return {"distributions": Value(None, None, count, "samples", text, why)}
    a, b = ([description for _, description in side] for side in (made, reference))
    of = f"{len(a):,} valid samples and {len(b):,} molecules of {name}"
    extra: dict[str, Any] = {"samples": len(a), name: len(b)}
    values: dict[str, Value] = {}

    def add(key: str, value: float, definition: str, error: float | None = None) -> None:
        better = "lower" if key.startswith(DISTANCES) else "higher"
        values[key] = Value(
            float(value), error, len(a), "samples", definition, extra=dict(extra), better=better
        )

    bits = unpack(d.fingerprint for d in a), unpack(d.fingerprint for d in b)
    own, published = internal_diversity(bits[0])
    own_b, published_b = internal_diversity(bits[1])
    add(
        "internal_diversity", own,
        f"1 - the mean {TANIMOTO}, of two different samples; the reference's own is {own_b:.4f}.",
    )  # fmt: skip
    add(
        "internal_diversity_as_published", published,
        "The same with each sample also paired with itself, as in the public code of MOSES "
        f"(Polykovskiy et al. 2020); the reference's own is {published_b:.4f}.",
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
    for key, rings, text in (
        ("scaffold_similarity", 1, "Cosine of the counts of Murcko scaffolds of molecules with a "
         "ring"),
        ("scaffold_similarity_as_published", 2, "The same of those with two rings or more, as in "
         "the public code of MOSES (Polykovskiy et al. 2020)"),
    ):  # fmt: skip
        scaffolds = [[d.scaffold for d in side if d.rings >= rings] for side in (a, b)]
        text = f"{text}; {of}."
        if all(scaffolds):
            add(key, cosine(*scaffolds), text)
        else:
            why = f"One side has no molecule with {('a ring', 'two rings')[rings - 1]}."
            values[key] = Value(None, None, len(a), "samples", text, why, better="higher")
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


def _chemnet_distance(*sides: Sequence[tuple[str, Description]]) -> float:
    import torch  # not in the processes that describe molecules

    from lebm_core.base.statistics import frechet

    made, reference = (_chemnet(tuple(smiles for smiles, _ in side)) for side in sides)
    return frechet(torch.from_numpy(made), torch.from_numpy(reference))


@functools.lru_cache(maxsize=2)  # every row of a table is compared with the same molecules
def _chemnet(molecules: tuple[str, ...]) -> NDArray[Any]:
    """The molecules' activations in ChemNet, (N, 512)."""
    import fcd

    return np.asarray(fcd.get_predictions(fcd.load_ref_model(), list(molecules)))
