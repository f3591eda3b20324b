"""SMILES and SELFIES as tokens. Imports no torch.

A bracket atom, a two-letter atom and a ring closure of two digits are one token each. SELFIES:
Krenn et al. 2020, arXiv 1905.13741; every string of its symbols is a molecule.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

from lebm_core.base.checks import choice
from lebm_core.errors import MissingExtra, UsageError, shown
from lebm_core.sequences.tokens import BOS, EOS, PAD, SPECIAL, UNK
from lebm_molecules.chemistry.limits import LONGEST

__all__ = ["MoleculeTokens", "check_notation", "symbols_of", "versions"]

NOTATIONS = ("smiles", "selfies")
SMILES = re.compile(r"\[[^\[\]]+\]|Br|Cl|%\d\d|%\(\d+\)|->|<-|[A-Za-z0-9()=#$:.+\-/\\*~@]")


def check_notation(notation: str) -> None:
    """Refuse a notation that is not one of `NOTATIONS`."""
    choice("data.notation", notation, NOTATIONS)


def symbols_of(smiles: str, notation: str) -> list[str]:
    """Return the tokens of a SMILES, in SMILES or in SELFIES.

    >>> symbols_of("C[C@H](Cl)Br%12", "smiles")
    ['C', '[C@H]', '(', 'Cl', ')', 'Br', '%12']

    Raises:
        UsageError: naming the molecule, and the place that cannot be written.
    """
    if len(smiles) > LONGEST:
        raise UsageError(
            f"The molecule {shown(smiles)} is too long; at most {LONGEST:,} characters are read."
        )
    if notation == "selfies":
        from lebm_molecules.chemistry.rdkit import canonical_all

        selfies = _selfies()
        try:
            written = selfies.encoder(smiles)
            back = selfies.decoder(written)
        except (selfies.EncoderError, selfies.DecoderError, ValueError) as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = next((line for line in lines if not line.startswith("SMILES:")), "")
            raise UsageError(f"The molecule {shown(smiles)} has no SELFIES: {reason}") from None
        if back != smiles:
            (before, _), (after, _) = canonical_all([smiles, back])
            if before != after:
                raise UsageError(
                    f"The molecule {shown(smiles)} has no SELFIES: it comes back as {back}"
                )
        return list(selfies.split_selfies(written))
    symbols: list[str] = SMILES.findall(smiles)
    read = 0
    for symbol in symbols:
        if not smiles.startswith(symbol, read):
            break
        read += len(symbol)
    if read < len(smiles):
        raise UsageError(
            f"The molecule {shown(smiles)} is no SMILES: {shown(smiles[read])}, character "
            f"{read + 1}, begins no symbol."
        )
    return symbols


def versions(notation: str) -> dict[str, str]:
    """Return the versions of the libraries that decide how molecules are read and written."""
    from lebm_molecules.chemistry.rdkit import VERSION

    found = {"rdkit": VERSION}
    return found if notation == "smiles" else found | {"selfies": str(_selfies().__version__)}


def _selfies() -> Any:
    try:
        import selfies
    except ImportError as error:
        raise MissingExtra("selfies", "molecules", "data.notation = selfies") from error
    return selfies


class MoleculeTokens:
    """A `Tokenizer` of molecules; ids 0 to 3 are padding, start, end and the unknown symbol.

    Args:
        symbols: without these four and without repetition.
        notation: "smiles" or "selfies"; strings are SMILES either way.

    Example:
        >>> tokens = MoleculeTokens.build([["C", "C", "O"], ["C", "[NH3+]"]], "smiles")
        >>> tokens.decode(tokens.encode("OC[NH3+]"))
        'OC[NH3+]'
    """

    def __init__(self, symbols: Sequence[str], notation: str) -> None:
        self.notation = notation
        self.symbols = [*SPECIAL, *symbols]
        self._id = {symbol: i + len(SPECIAL) for i, symbol in enumerate(symbols)}

    @classmethod
    def of_json(cls, saved: dict[str, Any], file: Path) -> Self:
        """Read what `to_json` described.

        Raises:
            UsageError: naming `file`, where it describes no tokens.
        """
        symbols: Any = saved.get("symbols")
        notation = saved.get("notation")
        listed = isinstance(symbols, list) and all(isinstance(each, str) for each in symbols)
        if not listed or len({*symbols, *SPECIAL}) < len(symbols) + len(SPECIAL):
            raise UsageError(f"{file} is damaged: it holds no list of symbols, each once.")
        if notation not in NOTATIONS:
            raise UsageError(f"{file} is damaged: its notation is none of {', '.join(NOTATIONS)}.")
        return cls(symbols, notation)

    @classmethod
    def build(cls, molecules: Iterable[Sequence[str]], notation: str) -> Self:
        """Collect the symbols of molecules by falling frequency, ties in the order of the alphabet.

        Args:
            molecules: each as `symbols_of` gives it.
            notation: of the symbols.
        """
        counts = Counter(symbol for symbols in molecules for symbol in symbols)
        return cls(sorted(counts, key=lambda s: (-counts[s], s)), notation)

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a SMILES.

        Raises:
            UsageError: naming the molecule, where it is none or has a symbol that is not known.
        """
        try:
            return self.ids(symbols_of(text, self.notation))
        except KeyError as error:
            raise UsageError(
                f"The molecule {shown(text)} has the symbol {error.args[0]}, which no training "
                "molecule has."
            ) from None

    def ids(self, symbols: Iterable[str]) -> list[int]:
        """Return the ids of symbols; KeyError for an unknown one."""
        return [self._id[symbol] for symbol in symbols]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the SMILES up to the first end; it may be no molecule."""
        symbols = []
        for i in ids:
            if i == EOS:
                break
            if i not in (PAD, BOS):
                symbols.append("?" if i == UNK else self.symbols[i])
        if self.notation == "smiles":
            return "".join(symbols)
        return str(_selfies().decoder("".join(s for s in symbols if s != "?")))

    def to_json(self) -> dict[str, Any]:
        """Return the symbols and the notation."""
        return {"kind": "molecules", "notation": self.notation, "symbols": self.symbols[4:]}
