"""PAINS alerts, Baell and Holloway 2010, without matching all 480 on each molecule.

RDKit's `FilterCatalog` matches one alert after another, which is half the time of describing a
molecule. A molecule can hold an alert only where its pattern fingerprint holds the alert's, as in a
substructure search of a database; some 30 remain.
"""

from __future__ import annotations

import csv
import functools
from typing import Any

import numpy as np

from lebm_molecules.chemistry.rdkit import DATA, Chem

__all__ = ["has_pains"]


def has_pains(molecule: Any) -> bool:
    """Return whether an alert of the PAINS sets A, B and C, as RDKit has them, matches."""
    alerts, bits = _alerts()
    possible = np.flatnonzero(~(bits & ~_bits(molecule)).any(1))
    return any(molecule.HasSubstructMatch(alerts[i]) for i in possible)


@functools.cache
def _alerts() -> tuple[list[Any], Any]:
    """The alerts, and the pattern fingerprint of each, (480, bytes)."""
    with (DATA / "Pains" / "wehi_pains.csv").open(encoding="utf-8", newline="") as file:
        alerts = [Chem.MolFromSmarts(row[0], mergeHs=True) for row in csv.reader(file)]
    return alerts, np.stack([_bits(alert) for alert in alerts])


def _bits(molecule: Any) -> Any:
    """The pattern fingerprint, 8 bits a byte."""
    text = Chem.PatternFingerprint(molecule).ToBitString().encode()
    return np.packbits(np.frombuffer(text, np.uint8) - ord("0"))
