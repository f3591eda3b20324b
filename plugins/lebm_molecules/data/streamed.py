"""A file of molecules larger than memory: read in parts, and prepared on disk."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lebm_core.base.files import sha256, workplace
from lebm_core.data.disk.lines import Lines
from lebm_core.data.disk.prepared import prepared
from lebm_core.data.disk.tensors import CHUNK
from lebm_core.errors import UsageError, shown
from lebm_molecules.data.cuts import cut_by, homes_of, keys_of
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import read_labelled, read_smiles
from lebm_molecules.data.options import MoleculeOptions, SplitOptions
from lebm_molecules.data.prepare import Labels, prepare
from lebm_molecules.data.tokens import check_notation, versions

__all__ = ["on_disk"]


def on_disk(
    path: Path,
    source: str,
    shares: SplitOptions,
    options: MoleculeOptions,
    column: str,
    label: str = "",
) -> MoleculeDataset:
    """Prepare the molecules of a file on disk, see `prepared`.

    Args:
        path: the file.
        source: what the report calls it.
        shares: of valid and of test.
        options: of the data set.
        column: of a table, with the SMILES.
        label: of a table, with the class of each; "" for none.
    """
    check_notation(options.notation)
    asked = {
        "source": source, "shares": dataclasses.asdict(shares), "column": column, "label": label,
        "options": dataclasses.asdict(options), "path": str(path),
        "versions": versions(options.notation),
    }  # fmt: skip

    def make(folder: Path) -> None:
        with workplace(folder) as place:
            parts, words, facts = _parts(path, source, shares, column, label, place)
            labels = Labels(words, label) if label else None
            reading = {"column": column, "label": label}
            prepare(parts, source, facts, options, labels, reading, folder).keep(folder)
        for split in parts:
            (folder / f"{split}.rows.txt").unlink()

    return MoleculeDataset.kept(prepared("molecules.file", asked, [path], make))


def _parts(
    path: Path, source: str, shares: SplitOptions, column: str, label: str, folder: Path
) -> tuple[dict[str, list[str] | Lines], dict[str, list[str]], dict[str, Any]]:
    """The molecules of each split, one a line, their labels if any, and facts for the report."""
    from lebm_molecules.chemistry.rdkit import canonical_all

    keys, bad, first_bad = bytearray(), 0, ""
    labels: list[str] = []
    once: dict[str, str] = {}  # each word is in memory once, however many molecules have it

    def good() -> Iterator[str]:
        nonlocal bad, first_bad
        plain = ((number, smiles, "") for number, smiles in read_smiles(path, column))
        lines = read_labelled(path, label, column) if label else plain
        while chunk := list(itertools.islice(lines, CHUNK)):
            forms = canonical_all([smiles for _, smiles, _ in chunk])
            keys.extend(keys_of([form for form, _ in forms if form is not None], shares))
            for (number, smiles, word), (form, reason) in zip(chunk, forms, strict=True):
                if form is None:
                    bad += 1
                    first_bad = first_bad or f"line {number}, {shown(smiles)}: {reason}"
                    continue
                if label:
                    labels.append(once.setdefault(word, word))
                yield smiles

    every = Lines.written(folder / "all.smi", good())
    if not len(every):
        raise UsageError(f"{path} holds no molecule; {first_bad or 'every line is blank'}.")
    cut, how = cut_by(keys, shares, source)

    def of(split: str) -> Iterator[str]:
        homes = homes_of(keys, cut)
        return (smiles for smiles, home in zip(every, homes, strict=True) if home == split)

    facts: dict[str, Any] = {"splits": how, "sha256": {path.name: sha256(path)}}
    if bad:
        facts["lines that are no molecule"] = f"{bad}, the first: {first_bad}"
    splits = ("train", "valid", "test")
    words: dict[str, list[str]] = {split: [] for split in splits}
    if label:
        for word, home in zip(labels, homes_of(keys, cut), strict=True):
            words[home].append(word)
    return {s: Lines.written(folder / f"{s}.smi", of(s)) for s in splits}, words, facts
