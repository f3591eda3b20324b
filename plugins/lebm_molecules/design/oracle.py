"""The oracle of a design: a function of SMILES, with a count of its calls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lebm_core.base.checks import choice
from lebm_core.errors import UsageError
from lebm_molecules.chemistry.properties import PROPERTIES, values_of
from lebm_molecules.chemistry.rdkit import Chem, quiet

__all__ = ["Oracle", "morgan", "of_property", "similarities"]

BITS = 2048  # of the Morgan fingerprint of radius 2, as published for similarity constraints


class Oracle:
    """A function SMILES -> number that is asked for each molecule once.

    Args:
        function: may be expensive: its values are kept. NaN where a molecule has no value.
        limit: most calls; 0 for no limit.

    Attributes:
        known: the value of each canonical SMILES that was asked for, in that order.
    """

    def __init__(self, function: Callable[[str], float], limit: int = 0) -> None:
        self.function, self.limit = function, limit
        self.known: dict[str, float] = {}

    @property
    def calls(self) -> int:
        """The number of distinct molecules that the function was called for."""
        return len(self.known)

    @property
    def spent(self) -> bool:
        """Whether there is a limit and it is reached."""
        return bool(self.limit) and self.calls >= self.limit

    def ask(self, molecules: Sequence[str]) -> list[float]:
        """Return the value of each canonical SMILES; NaN for a new one once the limit is reached.

        Raises:
            UsageError: where the function returns no number.
        """
        for smiles in molecules:
            if smiles in self.known or self.spent:
                continue
            value = self.function(smiles)
            try:
                self.known[smiles] = float(value)
            except (TypeError, ValueError):
                raise UsageError(f"The oracle gave {value!r} for {smiles}, no number.") from None
        return [self.known.get(smiles, math.nan) for smiles in molecules]


def of_property(name: str, minimise: bool = False) -> Callable[[str], float]:
    """Return the oracle of a property by RDKit, its sign changed where it is minimised.

    Raises:
        UsageError: for an unknown property, naming the nearest.
    """
    choice("property", name, PROPERTIES)
    sign = -1 if minimise else 1
    return lambda smiles: sign * values_of([smiles], [name])[0][0]


def morgan(molecules: Sequence[str]) -> NDArray[np.float32]:
    """Return Morgan fingerprints of radius 2, 2,048 bits (Rogers and Hahn 2010), (n, 2048)."""
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)
    with quiet():
        rows = [generator.GetFingerprintAsNumPy(Chem.MolFromSmiles(s)) for s in molecules]
    return np.array(rows, dtype=np.float32).reshape(len(rows), BITS)


def similarities(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the Tanimoto similarity of each row of a to the same row of b, (n,)."""
    shared = (a * b).sum(1)
    either = a.sum(1) + b.sum(1) - shared
    similarity: NDArray[np.float32] = np.where(either > 0, shared / np.maximum(either, 1), 1)
    return similarity
