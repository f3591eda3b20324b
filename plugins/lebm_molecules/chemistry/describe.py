"""The description of a molecule by RDKit that distributions are compared on.

Sources: QED, Bickerton et al. 2012; logP, Wildman and Crippen 1999; SA score, Ertl and
Schuffenhauer 2009; fragments, the BRICS rules of Degen et al. 2008; scaffolds, Bemis and Murcko
1996; PAINS, Baell and Holloway 2010; Brenk, Brenk et al. 2008.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from lebm_core.errors import UsageError, shown
from lebm_molecules.chemistry.limited import Refused
from lebm_molecules.chemistry.rdkit import Chem, quiet, reason_of

__all__ = [
    "BITS",
    "EASY",
    "Description",
    "PROPERTIES",
    "describe",
    "fingerprint",
    "rewritten",
]


BITS = 1024  # of the Morgan fingerprint of radius 2
EASY = "CC1CC1"  # for `limited`: it has a side chain, a ring, and all that `describe` looks at
PROPERTIES = ("QED", "logP", "SA", "weight")  # of a `Description`, as figures are titled


class Description(NamedTuple):
    """One molecule as the distribution scores see it.

    Attributes:
        properties: QED, logP, SA score and molecular weight (g/mol), as `PROPERTIES`.
        fragments: canonical SMILES of its BRICS fragments.
        scaffold: canonical SMILES of its Murcko scaffold, "" for a molecule without a ring.
        rings: their number, the same in the molecule and in its scaffold.
        fingerprint: Morgan bits, packed into BITS / 8 bytes.
        pains, brenk: whether a filter of that catalogue matches.
    """

    properties: tuple[float, ...]
    fragments: tuple[str, ...]
    scaffold: str
    rings: int
    fingerprint: bytes
    pains: bool
    brenk: bool


def rewritten(smiles: str, times: int, seed: int) -> list[str]:
    """Return `times` SMILES of a molecule with its atoms in random orders.

    Raises:
        UsageError: where RDKit does not accept it.
    """
    with quiet() as messages:
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            raise UsageError(f"{shown(smiles)} is no molecule: {reason_of(messages)}.")
        return list(Chem.MolToRandomSmilesVect(molecule, times, randomSeed=seed))


@functools.cache
def _morgan() -> Any:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=BITS)


@functools.cache
def _brenk() -> Any:
    from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams

    parameters = FilterCatalogParams()
    parameters.AddCatalog(FilterCatalogParams.FilterCatalogs.BRENK)
    return FilterCatalog(parameters)


def fingerprint(smiles: str) -> bytes:
    """Return the fingerprint of `describe` alone, in a twentieth of the time."""
    with quiet():
        return _bits(Chem.MolFromSmiles(smiles))


def _bits(molecule: Any) -> bytes:
    import numpy as np

    return np.packbits(_morgan().GetFingerprintAsNumPy(molecule)).tobytes()


def describe(smiles: str) -> Description | Refused:
    """Describe a canonical SMILES, as `canonical` gives it; in any time, see `limited`."""
    from rdkit.Chem import BRICS
    from rdkit.Chem.Scaffolds import MurckoScaffold

    from lebm_molecules.chemistry.pains import has_pains
    from lebm_molecules.chemistry.properties import numbers

    with quiet():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            return Refused("RDKit does not read its own SMILES of it")
        properties = numbers(molecule, map(str.lower, PROPERTIES))
        fragments = Chem.MolToSmiles(BRICS.BreakBRICSBonds(molecule)).split(".")
        scaffold, rings = "", molecule.GetRingInfo().NumRings()
        if rings:  # without a ring RDKit is slow to find none
            scaffold = Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(molecule))
        return Description(
            properties, tuple(fragments), scaffold, rings, _bits(molecule),
            has_pains(molecule), bool(_brenk().HasMatch(molecule)),
        )  # fmt: skip
