"""RDKit with its messages captured: canonical SMILES, or the reason why there is none."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from lebm_core.errors import MissingExtra
from lebm_molecules.chemistry.limited import Refused
from lebm_molecules.chemistry.limits import LONGEST
from lebm_molecules.chemistry.parallel import mapped

__all__ = [
    "DATA",
    "VERSION",
    "Chem",
    "Form",
    "canonical",
    "canonical_all",
    "canonical_form",
    "canonical_line",
    "quiet",
    "reason_of",
]

try:
    from rdkit import Chem, RDConfig, rdBase
except ImportError as error:
    raise MissingExtra("rdkit", "molecules", "Molecules") from error

VERSION = str(rdBase.rdkitVersion)
DATA = Path(RDConfig.RDDataDir)  # the files that come with RDKit
CAGE = 8  # rings, from which forms were seen to alternate without a stereocentre
ROUNDS = 12  # of writing and reading; forms that alternate do so by two, three at the most
Form = tuple[str | None, str]


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


def canonical(smiles: str, stereo: bool = True) -> Form:
    """Return the canonical SMILES and "", or None and the reason why it is no molecule.

    Args:
        smiles: one SMILES; it is parsed and sanitised, and nothing is corrected.
        stereo: whether stereochemistry and isotopes are kept.
    """
    return canonical_all([smiles], stereo)[0]


def canonical_all(molecules: Sequence[str], stereo: bool = True) -> list[Form]:
    """Return what `canonical` does for each SMILES, in less time than one by one."""
    found = mapped(partial(canonical_form, stereo), molecules)
    return [(None, each.reason) if isinstance(each, Refused) else each for _, each in found]


def canonical_form(stereo: bool, smiles: str) -> Form:
    """Return what `canonical` does, in this process and in any time."""
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
        form = str(Chem.MolToSmiles(molecule))
        return _fixed(form) if form != smiles and _may_move(form, molecule) else (form, "")


def canonical_line(stereo: bool, line: tuple[int, str]) -> Form:
    """Return what `canonical_form` does for a SMILES with its number.

    Functions for other processes belong here: a module of metrics would load torch in each.
    """
    return canonical_form(stereo, line[1])


def _may_move(form: str, molecule: Any) -> bool:
    """Whether RDKit may write the molecule of its own canonical SMILES in another way.

    It does for stereocentres of fused and bridged rings, and for large cages. Reading all forms
    again would double the time.
    """
    rings = molecule.GetRingInfo()
    if rings.NumRings() >= CAGE:
        return True
    return "@" in form and any(rings.NumAtomRings(i) > 1 for i in range(molecule.GetNumAtoms()))


def _fixed(form: str) -> Form:
    """The SMILES that is written again as itself; the first by the alphabet where some alternate.

    Two writings of a molecule may be led to two of them.
    """
    forms = [form]
    while len(forms) < ROUNDS:
        molecule = Chem.MolFromSmiles(forms[-1])
        if molecule is None:
            return None, f"RDKit does not read its own SMILES of it, {forms[-1]}"
        form = str(Chem.MolToSmiles(molecule))
        if form in forms:
            return min(forms[forms.index(form) :]), ""
        forms.append(form)
    return min(forms), ""


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
