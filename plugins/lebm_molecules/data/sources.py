"""The registered data sets of molecules; the parameters of each are keys of [data]."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from lebm_core.base.checks import choice
from lebm_core.base.files import sha256
from lebm_core.data.dataset import SPLITS
from lebm_core.data.disk.prepared import asks_disk
from lebm_core.data.files import DataFiles
from lebm_core.data.needs import Needs
from lebm_core.data.parsing import no_row_twice, open_json, row_numbers
from lebm_core.errors import UsageError, shown
from lebm_molecules.data.cuts import cut_by, homes_of, keys_of
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.data.files import read_labelled, read_smiles
from lebm_molecules.data.options import SPLITS_BY, MoleculeOptions, SplitOptions
from lebm_molecules.data.prepare import Labels, prepare
from lebm_molecules.data.streamed import on_disk

__all__ = ["file", "nci", "qm9", "zinc"]

ZINC = Needs(
    "molecules.zinc",
    ["zinc250k/zinc250k.smi", "zinc250k/splits.json"],
    how="One SMILES a line in the original order; splits.json has the published line numbers.",
    address="https://github.com/wenhao-gao/mol_opt, data/zinc.txt.gz",
    licence="free to use; ZINC's terms of redistribution",
)
QM9 = Needs(
    "molecules.qm9",
    ["qm9/qm9.smi"],
    how="One SMILES a line.",
    address="https://github.com/aspuru-guzik-group/selfies, tests/test_sets/qm9.csv",
    licence="Apache-2.0",
)
FILE = Needs("molecules.file", source="my.smi, a .smi, .txt or .csv file of SMILES")
PUBLISHED = {"jtvae": "jtvae", "moflow": "moflow_gdss"}  # splits, and their keys in the file

WHOLE, SHORT = MoleculeOptions(), MoleculeOptions(max_length=80)
TENTHS = SplitOptions(valid_share=0.1, test_share=0.1)
LARGE_TEST = SplitOptions(valid_share=0.05, test_share=0.1)
OWN = SplitOptions()


def zinc(
    *,
    files: DataFiles,
    seed: int,
    split: Literal["jtvae", "moflow"] = "jtvae",
    split_by: Literal["molecule", "scaffold"] = "molecule",
    options: MoleculeOptions = WHOLE,
) -> MoleculeDataset:
    """ZINC250k, all 249,455 molecules, by a published split.

    Args:
        split: jtvae (220,010 / 24,445 / 5,000) or moflow (24,887 held out, half of them to choose
            by)
        split_by: scaffold, for a cut of its own in place of the published one, 10 % to choose by
            and 10 % to judge by (half a minute); molecule, for the published
    """
    choice("data.split", split, PUBLISHED)
    choice("data.split_by", split_by, SPLITS_BY)
    if split_by == "scaffold":
        path = files.find(ZINC.dataset, ["zinc250k/zinc250k.smi"], ZINC.how)
        molecules = [smiles for _, smiles in read_smiles(path)]
        shares = SplitOptions(valid_share=0.1, test_share=0.1, split_by=split_by)
        homes, how = _homes(molecules, shares, f"ZINC250k ({path})")
        facts = {"split": how, "sha256": {path.name: sha256(path)}}
        return prepare(_parts(molecules, homes), f"ZINC250k ({path})", facts, options)
    path, indices = ZINC.find(files)
    molecules = [smiles for _, smiles in read_smiles(path)]
    parts = _published(molecules, indices, split)
    facts = {"split": split, "sha256": {path.name: sha256(path)}}
    return prepare(parts, f"ZINC250k ({path})", facts, options)


def qm9(
    *,
    files: DataFiles,
    seed: int,
    options: MoleculeOptions = WHOLE,
    shares: SplitOptions = LARGE_TEST,
) -> MoleculeDataset:
    """QM9, 133,885 molecules of at most 9 heavy atoms; cut by a hash of the molecule."""
    (path,) = QM9.find(files)
    return _of_file(path, f"QM9 ({path})", shares, options)


def nci(
    *, files: DataFiles, seed: int, options: MoleculeOptions = SHORT, shares: SplitOptions = TENTHS
) -> MoleculeDataset:
    """The first 5,000 molecules of the NCI set, which RDKit carries: no download."""
    from lebm_molecules.chemistry.rdkit import DATA

    return _of_file(DATA / "NCI" / "first_5K.smi", "NCI, RDKit's own", shares, options)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    options: MoleculeOptions = WHOLE,
    shares: SplitOptions = OWN,
    column: str = "",
    label: str = "",
    keep: Literal["memory", "disk"] = "memory",
) -> MoleculeDataset:
    """Any .smi, .txt or .csv of SMILES.

    Args:
        source: the file
        column: the column of a table with the SMILES, its name or number; "" for the one called
            smiles
        label: the column of a table with the class of each molecule, -1, empty, NA or nan where it
            is not known; "" for no classes
        keep: where the molecules are: memory; or disk, for more than fit: they are prepared once
            in the user cache, and read from there batch by batch
    """
    FILE.check(source)
    disk = asks_disk(keep)
    if label and options.classes:
        raise UsageError(
            f'data.label = "{label}" and data.classes = "{options.classes}" are two '
            "ways to give classes: set one of them."
        )
    if disk:
        return on_disk(Path(source).expanduser(), source, shares, options, column, label)
    return _of_file(Path(source).expanduser(), source, shares, options, column, label)


def _published(molecules: list[str], indices: Path, split: str) -> dict[str, list[str]]:
    """A published split of ZINC250k, by the numbers of its molecules, from 0."""
    keys = {"jtvae": ("valid", "test"), "moflow": ("heldout",)}[split]
    found = open_json(indices)
    held = found.get(PUBLISHED[split]) if isinstance(found, dict) else None
    if not isinstance(held, dict) or any(key not in held for key in keys):
        raise UsageError(f"{indices} does not hold {' and '.join(keys)} of {PUBLISHED[split]}.")
    n = len(molecules)
    parts = [row_numbers(held[key], n, f"{indices}, {PUBLISHED[split]}, {key}") for key in keys]
    valid, test = parts if len(parts) == 2 else (parts[0][::2], parts[0][1::2])
    no_row_twice([*valid, *test], f"{indices}, {PUBLISHED[split]}")
    taken = {*valid, *test}
    return {
        "train": [s for i, s in enumerate(molecules) if i not in taken],
        "valid": [molecules[i] for i in valid],
        "test": [molecules[i] for i in test],
    }


def _of_file(
    path: Path,
    source: str,
    shares: SplitOptions,
    options: MoleculeOptions,
    column: str = "",
    label: str = "",
) -> MoleculeDataset:
    """The molecules of a file; lines that RDKit does not accept are left out and counted."""
    from lebm_molecules.chemistry.rdkit import canonical_all

    good: list[str] = []
    words: list[str] = []
    forms: list[str] = []  # one molecule in two writings must not be in two splits
    bad: list[str] = []
    lines: list[tuple[int, str, str]] = (
        list(read_labelled(path, label, column))
        if label
        else [(number, smiles, "") for number, smiles in read_smiles(path, column)]
    )
    found = canonical_all([smiles for _, smiles, _ in lines])
    for (number, smiles, word), (form, reason) in zip(lines, found, strict=True):
        if form is None:
            bad.append(f"line {number}, {shown(smiles)}: {reason}")
        else:
            good.append(smiles)
            forms.append(form)
            words.append(word)
    if not good:
        raise UsageError(f"{path} holds no molecule; {bad[0] if bad else 'every line is blank'}.")
    homes, how = _homes(forms, shares, source)
    facts: dict[str, Any] = {"splits": how, "sha256": {path.name: sha256(path)}}
    if bad:
        facts["lines that are no molecule"] = f"{len(bad)}, the first: {bad[0]}"
    labels = Labels(_parts(words, homes), label) if label else None
    reading = {"column": column, "label": label}
    return prepare(_parts(good, homes), source, facts, options, labels, reading)


def _homes(molecules: list[str], shares: SplitOptions, source: str) -> tuple[list[str], str]:
    """The split of each molecule, and how they were cut, for the report."""
    keys = keys_of(molecules, shares)
    cut, how = cut_by(keys, shares, source)
    return list(homes_of(keys, cut)), how


def _parts(items: list[str], homes: list[str]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for item, home in zip(items, homes, strict=True):
        parts[home].append(item)
    return parts
