"""RDKit with its messages captured: canonical SMILES, or the reason why there is none."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lebm_core.errors import MissingExtra

__all__ = ["DATA", "LONGEST", "Chem", "canonical", "canonical_lines", "quiet", "reason_of"]

try:
    from rdkit import Chem, RDConfig, rdBase
except ImportError as error:
    raise MissingExtra("rdkit", "molecules", "Molecules") from error

LONGEST = 2_000  # characters; RDKit's time grows faster than the length
DATA = Path(RDConfig.RDDataDir)  # the files that come with RDKit


class _Messages(logging.Handler):
    """Keeps RDKit's messages instead of showing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


_messages = _Messages()


@functools.cache
def _capture() -> None:
    rdBase.LogToPythonLogger()
    logger = logging.getLogger("rdkit")
    logger.handlers, logger.propagate = [_messages], False


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Keep RDKit from writing; its messages go to the list."""
    _capture()
    _messages.lines.clear()
    yield _messages.lines


def canonical(smiles: str, stereo: bool = True) -> tuple[str | None, str]:
    """Return the canonical SMILES and "", or None and the reason why it is no molecule.

    Args:
        smiles: one SMILES; it is parsed and sanitised, and nothing is corrected.
        stereo: whether stereochemistry and isotopes are kept.
    """
    if len(smiles) > LONGEST:
        return None, f"{len(smiles):,} characters; at most {LONGEST:,} are read"
    for place, character in enumerate(smiles, 1):  # RDKit skips some of these in silence
        if not "!" <= character <= "~":
            return None, f"character {place}, U+{ord(character):04X}, is none of SMILES"
    with quiet() as messages:
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None:
            return None, reason_of(messages)
        if molecule.GetNumAtoms() == 0:
            return None, "it has no atom"
        if not stereo:
            for atom in molecule.GetAtoms():
                atom.SetIsotope(0)
            Chem.RemoveStereochemistry(molecule)
            molecule = Chem.RemoveHs(molecule)  # an isotope's or a double bond's need not stay
        return Chem.MolToSmiles(molecule), ""


def canonical_lines(
    stereo: bool, lines: list[tuple[int, str]]
) -> list[tuple[int, str, str | None, str]]:
    """Return numbered SMILES, each followed by what `canonical` returns."""
    return [(number, smiles, *canonical(smiles, stereo)) for number, smiles in lines]


def reason_of(messages: list[str]) -> str:
    """Return RDKit's first sentence, without the time, the marks and the repeated input."""
    for line in "\n".join(messages).splitlines():
        text = line.strip()
        if text.startswith("[") and "] " in text:
            text = text.split("] ", 1)[1]
        text = text.removeprefix("SMILES Parse Error: ").split(" for input:")[0]
        text = text.split(" while parsing:")[0].strip()
        if text and not set(text) <= set("~^ "):
            return text
    return "RDKit cannot read it"
