"""The registered data sets. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles, file_sha256, open_text
from lebm_core.data.splits import homes_by_group, homes_by_hash
from lebm_core.errors import UsageError, did_you_mean
from lebm_molecules.data.dataset import Labels, MoleculeDataset, MoleculeOptions, prepare
from lebm_molecules.data.files import read_labelled, read_smiles

__all__ = ["file", "nci", "qm9", "zinc"]

ZINC_SPLITS = ("jtvae", "moflow")
SPLITS_BY = ("molecule", "scaffold")
WHOLE, SHORT = MoleculeOptions(), MoleculeOptions(max_length=80)


def zinc(
    *,
    files: DataFiles,
    seed: int,
    split: str = "jtvae",
    split_by: str = "molecule",
    options: MoleculeOptions = WHOLE,
) -> MoleculeDataset:
    """ZINC250k, all 249,455 molecules, by a published split.

    Args:
        split: jtvae (220,010 / 24,445 / 5,000) or moflow (24,887 held out, half of them to choose
            by)
        split_by: scaffold, for a cut of its own in place of the published one, 10 % to choose by
            and 10 % to judge by (half a minute); molecule, for the published
    """
    if split not in ZINC_SPLITS:
        raise UsageError(
            f'data.split = "{split}" is not one of {", ".join(ZINC_SPLITS)}.'
            + did_you_mean(split, ZINC_SPLITS)
        )
    _check_split_by(split_by)
    how = "One SMILES a line in the original order; splits.json has the published line numbers."
    path = files.find("molecules.zinc", ["zinc250k/zinc250k.smi"], how)
    molecules = [smiles for _, smiles in read_smiles(path)]
    facts: dict[str, Any] = {"split": split, "sha256": {path.name: file_sha256(path)}}
    if split_by == "scaffold":
        homes, facts["split"] = _homes(molecules, split_by, 0.1, 0.1, "ZINC250k")
        return prepare(_parts(molecules, homes), "ZINC250k", facts, options)
    indices = files.find("molecules.zinc", ["zinc250k/splits.json"], how)
    try:
        held = json.loads("".join(line for _, line in open_text(indices)))
        if split == "jtvae":
            valid, test = held["jtvae"]["valid"], held["jtvae"]["test"]
        else:
            rows = held["moflow_gdss"]["heldout"]
            valid, test = rows[::2], rows[1::2]
        taken = {*valid, *test}
        parts = {
            "train": [s for i, s in enumerate(molecules) if i not in taken],
            "valid": [molecules[i] for i in valid],
            "test": [molecules[i] for i in test],
        }
    except (ValueError, KeyError, TypeError, IndexError):
        raise UsageError(f"{indices} does not hold the line numbers of {path}.") from None
    return prepare(parts, "ZINC250k", facts, options)


def qm9(
    *,
    files: DataFiles,
    seed: int,
    options: MoleculeOptions = WHOLE,
    valid_share: float = 0.05,
    test_share: float = 0.1,
    split_by: str = "molecule",
) -> MoleculeDataset:
    """QM9, 133,885 molecules of at most 9 heavy atoms; cut by a hash of the molecule.

    Args:
        valid_share: of the molecules
        test_share: of the molecules
        split_by: molecule, or scaffold (Bemis-Murcko) for no scaffold in two splits
    """
    path = files.find("molecules.qm9", ["qm9/qm9.smi"], "One SMILES a line.")
    return _of_file(path, "QM9", valid_share, test_share, split_by, options)


def nci(
    *,
    files: DataFiles,
    seed: int,
    options: MoleculeOptions = SHORT,
    valid_share: float = 0.1,
    test_share: float = 0.1,
    split_by: str = "molecule",
) -> MoleculeDataset:
    """The first 5,000 molecules of the NCI set, which RDKit carries: no download.

    Args:
        valid_share: of the molecules
        test_share: of the molecules
        split_by: molecule, or scaffold (Bemis-Murcko) for no scaffold in two splits
    """
    from lebm_molecules.chemistry.rdkit import DATA

    path = DATA / "NCI" / "first_5K.smi"
    return _of_file(path, "NCI, RDKit's own", valid_share, test_share, split_by, options)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    options: MoleculeOptions = WHOLE,
    valid_share: float = 0.05,
    test_share: float = 0.05,
    split_by: str = "molecule",
    label_column: str = "",
) -> MoleculeDataset:
    """Any .smi, .txt or .csv of SMILES.

    Args:
        source: the file
        valid_share: of the molecules
        test_share: of the molecules
        split_by: molecule, or scaffold (Bemis-Murcko) for no scaffold in two splits
        label_column: the column of a .csv with the class of each molecule, empty where it is not
            known; "" for no classes
    """
    if not source:
        raise UsageError("data.source is empty: molecules.file needs a file, data.source=my.smi.")
    if label_column and options.classes:
        raise UsageError(
            f'data.label_column = "{label_column}" and data.classes = "{options.classes}" are two '
            "ways to give classes: set one of them."
        )
    path = Path(source).expanduser()
    return _of_file(path, source, valid_share, test_share, split_by, options, label_column)


def _of_file(
    path: Path,
    source: str,
    valid_share: float,
    test_share: float,
    split_by: str,
    options: MoleculeOptions,
    label_column: str = "",
) -> MoleculeDataset:
    """The molecules of a file; lines that RDKit does not accept are left out and counted."""
    _check_split_by(split_by)
    from lebm_molecules.chemistry.rdkit import canonical

    good: list[str] = []
    words: list[str] = []
    forms: list[str] = []  # one molecule in two writings must not be in two splits
    bad: list[str] = []
    lines: Iterable[tuple[int, str, str]] = (
        read_labelled(path, label_column)
        if label_column
        else ((number, smiles, "") for number, smiles in read_smiles(path))
    )
    for number, smiles, word in lines:
        form, reason = canonical(smiles)
        if form is None:
            bad.append(f"line {number}: {reason}")
        else:
            good.append(smiles)
            forms.append(form)
            words.append(word)
    if not good:
        raise UsageError(f"{path} holds no molecule; {bad[0] if bad else 'every line is blank'}.")
    homes, told = _homes(forms, split_by, valid_share, test_share, source)
    facts: dict[str, Any] = {"splits": told, "sha256": {path.name: file_sha256(path)}}
    if bad:
        facts["lines that are no molecule"] = f"{len(bad)}, the first: {bad[0]}"
    labels = Labels(_parts(words, homes), label_column) if label_column else None
    return prepare(_parts(good, homes), source, facts, options, labels)


def _homes(
    molecules: list[str], split_by: str, valid_share: float, test_share: float, source: str
) -> tuple[list[str], str]:
    """The split of each molecule, and how they were cut, for the report."""
    shares = f"valid {valid_share:g}, test {test_share:g}"
    if split_by == "molecule":
        homes = homes_by_hash(molecules, valid_share, test_share, source, "molecule")
        return homes, f"by a hash of the text: {shares}"
    from lebm_molecules.data.labels import scaffold

    groups = [scaffold(smiles) for smiles in molecules]
    homes = homes_by_group(groups, valid_share, test_share, source, "scaffold")
    n = len(set(groups))
    return homes, f"by {n} Bemis-Murcko scaffolds, none in two splits: {shares}"


def _parts(items: list[str], homes: list[str]) -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for item, home in zip(items, homes, strict=True):
        parts[home].append(item)
    return parts


def _check_split_by(split_by: str) -> None:
    if split_by not in SPLITS_BY:
        raise UsageError(
            f'data.split_by = "{split_by}" is not one of {", ".join(SPLITS_BY)}.'
            + did_you_mean(split_by, SPLITS_BY)
        )
