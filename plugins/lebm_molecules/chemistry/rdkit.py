"""RDKit made quiet: canonical SMILES and what it says of a bad one."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lebm_core.errors import MissingExtra

__all__ = ["DATA", "LONGEST", "Chem", "canonical", "quiet"]

try:
    from rdkit import Chem, RDConfig, rdBase
except ImportError as error:
    raise MissingExtra("rdkit", "molecules", "Molecules") from error

LONGEST = 2_000  # characters; RDKit's time grows faster than the length
DATA = Path(RDConfig.RDDataDir)  # what RDKit carries


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
