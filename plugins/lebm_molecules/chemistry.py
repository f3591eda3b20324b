"""What RDKit says of one molecule: its canonical SMILES or why it has none, and its properties.

Sources: QED, Bickerton et al. 2012; logP, Wildman and Crippen 1999; SA score, Ertl and
Schuffenhauer 2009; fragments, the BRICS rules of Degen et al. 2008; scaffolds, Bemis and Murcko
1996; PAINS, Baell and Holloway 2010; Brenk, Brenk et al. 2008.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.errors import MissingExtra, UsageError

try:
    from rdkit import Chem, RDConfig, rdBase
except ImportError as error:
    raise MissingExtra("rdkit", "molecules", "Molecules") from error

__all__ = [
    "BITS",
    "DATA",
    "Chem",
    "LONGEST",
    "PROPERTIES",
    "Description",
    "canonical",
    "describe",
    "fingerprint",
    "quiet",
    "rewritten",
]

LONGEST = 2_000  # characters; RDKit's time grows faster than the length
BITS = 1024  # of the Morgan fingerprint of radius 2
DATA = Path(RDConfig.RDDataDir)  # what RDKit carries
PROPERTIES = ("QED", "logP", "SA", "weight")  # of a `Description`, as figures are titled


class Description(NamedTuple):
    """One molecule as the distribution metrics see it.

    Attributes:
        properties: QED, logP, SA score and molecular weight (g/mol), as `PROPERTIES`.
        fragments: canonical SMILES of its BRICS fragments.
        scaffold: canonical SMILES of its Murcko scaffold, "" for a molecule without a ring.
        fingerprint: Morgan bits, packed into BITS / 8 bytes.
        pains, brenk: whether a filter of that catalogue matches.
    """

    properties: tuple[float, ...]
    fragments: tuple[str, ...]
    scaffold: str
    fingerprint: bytes
    pains: bool
    brenk: bool


class _Heard(logging.Handler):
    """Keeps RDKit's complaints instead of showing them."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


_heard = _Heard()


@functools.cache
def _listen() -> None:
    rdBase.LogToPythonLogger()
    logger = logging.getLogger("rdkit")
    logger.handlers, logger.propagate = [_heard], False


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Within it RDKit writes nothing; what it would have written is in the list."""
    _listen()
    _heard.said.clear()
    yield _heard.said


def canonical(smiles: str, stereo: bool = True) -> tuple[str | None, str]:
    """The canonical SMILES and "", or None and the reason why it is no molecule.

    Args:
        smiles: one SMILES; it is parsed and sanitised, and nothing is corrected.
        stereo: whether stereochemistry and isotopes are kept.
    """
    if len(smiles) > LONGEST:
        return None, f"{len(smiles):,} characters; at most {LONGEST:,} are read"
    for place, character in enumerate(smiles, 1):  # RDKit skips some of these in silence
        if not "!" <= character <= "~":
            return None, f"character {place}, U+{ord(character):04X}, is none of SMILES"
    with quiet() as said:
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            return None, _reason(said)
        if molecule.GetNumAtoms() == 0:
            return None, "it has no atom"
        if not stereo:
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)
            Chem.RemoveStereochemistry(molecule)
            molecule = Chem.RemoveHs(molecule)  # an isotope's or a double bond's need not stay
        return Chem.MolToSmiles(molecule), ""


def _reason(said: list[str]) -> str:
    """RDKit's first sentence, without its clock, its marks and the input's repetition."""
    for line in "\n".join(said).splitlines():
        text = line.strip()
        if text.startswith("[") and "] " in text:
            text = text.split("] ", 1)[1]
        text = text.removeprefix("SMILES Parse Error: ").split(" for input:")[0]
        text = text.split(" while parsing:")[0].strip()
        if text and not set(text) <= set("~^ "):
            return text
    return "RDKit cannot read it"


def rewritten(smiles: str, times: int, seed: int) -> list[str]:
    """The molecule `times` times, its atoms in random orders.

    Raises:
        UsageError: where RDKit does not accept it.
    """
    with quiet() as said:
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            raise UsageError(f'"{smiles}" is no molecule: {_reason(said)}.')
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
    """Of a SMILES that RDKit accepts, as `describe` has it, in a twentieth of the time."""
    with quiet():
        return _bits(Chem.MolFromSmiles(smiles))


def _bits(molecule: Any) -> bytes:
    import numpy as np

    return np.packbits(_morgan().GetFingerprintAsNumPy(molecule)).tobytes()


def describe(smiles: str) -> Description:
    """The description of a canonical SMILES that `canonical` gave."""
    from rdkit.Chem import BRICS
    from rdkit.Chem.Scaffolds import MurckoScaffold

    from lebm_molecules.pains import has_pains
    from lebm_molecules.properties import numbers

    with quiet():
        molecule = Chem.MolFromSmiles(smiles)
        properties = numbers(molecule, map(str.lower, PROPERTIES))
        fragments = Chem.MolToSmiles(BRICS.BreakBRICSBonds(molecule)).split(".")
        scaffold = ""
        if molecule.GetRingInfo().NumRings():  # without a ring RDKit takes long to find none
            scaffold = Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(molecule))
        return Description(
            properties, tuple(fragments), scaffold, _bits(molecule),
            has_pains(molecule), bool(_brenk().HasMatch(molecule)),
        )  # fmt: skip
