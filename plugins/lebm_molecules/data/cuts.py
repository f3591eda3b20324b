"""How molecules without a published split are cut: by a hash of the molecule, or by scaffolds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lebm_core.data.splits import Cut, GroupCut, HashCut, chosen_share, hash_key
from lebm_molecules.data.options import SplitOptions

__all__ = ["KEY", "cut_by", "homes_of", "keys_of"]

KEY = 16  # bytes of a molecule's key


def keys_of(molecules: Sequence[str], shares: SplitOptions) -> bytes:
    """What decides the split of each molecule, `KEY` bytes each, end to end.

    Args:
        molecules: canonical SMILES, so that one molecule in two writings is in one split.
        shares: with the kind of cut.
    """
    if shares.split_by == "molecule":
        return b"".join(map(hash_key, molecules))
    from lebm_molecules.chemistry.limited import Refused
    from lebm_molecules.chemistry.parallel import mapped
    from lebm_molecules.data.labels import scaffold

    found = mapped(scaffold, molecules)
    return b"".join(hash_key("" if isinstance(each, Refused) else each) for _, each in found)


def cut_by(keys: bytes | bytearray, shares: SplitOptions, source: str) -> tuple[Cut, str]:
    """The cut of molecules with these keys, and how they were cut, for the report.

    Args:
        keys: see `keys_of`, of all molecules.
        shares: of valid and of test.
        source: where the molecules are from, for an error.

    Raises:
        UsageError: for too few molecules or scaffolds.
    """
    n = len(keys) // KEY
    valid, test = chosen_share(shares.valid_share, n), chosen_share(shares.test_share, n)
    how = f"valid {valid:g}, test {test:g}"
    if shares.split_by == "molecule":
        return HashCut(keys, valid, test, source, "molecule"), f"by a hash of the text: {how}"
    cut = GroupCut(keys, valid, test, source, "scaffold")
    return cut, f"by {cut.groups} Bemis-Murcko scaffolds, none in two splits: {how}"


def homes_of(keys: bytes | bytearray, cut: Cut) -> Iterator[str]:
    """The split of each molecule."""
    return (cut.home(bytes(keys[i : i + KEY])) for i in range(0, len(keys), KEY))
