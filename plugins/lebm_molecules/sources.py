"""The registered data sets. The keyword parameters of each are the keys of a recipe's [data]."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lebm_core.data import SPLITS
from lebm_core.errors import UsageError, did_you_mean
from lebm_core.run.datasets import DataFiles, file_sha256, open_text
from lebm_core.run.splits import homes_by_hash
from lebm_molecules.dataset import MoleculeDataset, MoleculeOptions, prepare
from lebm_molecules.files import read_smiles

__all__ = ["file", "nci", "qm9", "zinc"]

ZINC_SPLITS = ("jtvae", "moflow")
WHOLE, SHORT = MoleculeOptions(), MoleculeOptions(max_length=80)


def zinc(
    *,
    files: DataFiles,
    seed: int,
    split: str = "jtvae",
    options: MoleculeOptions = WHOLE,
) -> MoleculeDataset:
    """ZINC250k, all 249,455 molecules, by a published split.

    Args:
        split: jtvae (220,010 / 24,445 / 5,000) or moflow (24,887 held out, half of them to choose
            by)
    """
    if split not in ZINC_SPLITS:
        raise UsageError(
            f'data.split = "{split}" is not one of {", ".join(ZINC_SPLITS)}.'
            + did_you_mean(split, ZINC_SPLITS)
        )
    how = "One SMILES a line in the original order; splits.json has the published line numbers."
    path = files.find("molecules.zinc", ["zinc250k/zinc250k.smi"], how)
    molecules = [smiles for _, smiles in read_smiles(path)]
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
    facts: dict[str, Any] = {"split": split, "sha256": {path.name: file_sha256(path)}}
    return prepare(parts, "ZINC250k", facts, options)


def qm9(
    *,
    files: DataFiles,
    seed: int,
    options: MoleculeOptions = WHOLE,
    valid_share: float = 0.05,
    test_share: float = 0.1,
) -> MoleculeDataset:
    """QM9, 133,885 molecules of at most 9 heavy atoms; cut by a hash of the molecule.

    Args:
        valid_share: of the molecules
        test_share: of the molecules
    """
    path = files.find("molecules.qm9", ["qm9/qm9.smi"], "One SMILES a line.")
    return _by_hash(path, "QM9", valid_share, test_share, options)


def nci(
    *,
    files: DataFiles,
    seed: int,
    options: MoleculeOptions = SHORT,
    valid_share: float = 0.1,
    test_share: float = 0.1,
) -> MoleculeDataset:
    """The first 5,000 molecules of the NCI set, which RDKit carries: no download.

    Args:
        valid_share: of the molecules
        test_share: of the molecules
    """
    from lebm_molecules.chemistry import DATA

    path = DATA / "NCI" / "first_5K.smi"
    return _by_hash(path, "NCI, RDKit's own", valid_share, test_share, options)


def file(
    *,
    files: DataFiles,
    seed: int,
    source: str = "",
    options: MoleculeOptions = WHOLE,
    valid_share: float = 0.05,
    test_share: float = 0.05,
) -> MoleculeDataset:
    """Any .smi, .txt or .csv of SMILES.

    Args:
        source: the file
        valid_share: of the molecules
        test_share: of the molecules
    """
    if not source:
        raise UsageError("data.source is empty: molecules.file needs a file, data.source=my.smi.")
    return _by_hash(Path(source).expanduser(), source, valid_share, test_share, options)


def _by_hash(
    path: Path, source: str, valid_share: float, test_share: float, options: MoleculeOptions
) -> MoleculeDataset:
    """The molecules of a file; lines that RDKit does not accept are left out and counted."""
    from lebm_molecules.chemistry import canonical

    good: list[str] = []
    forms: list[str] = []  # one molecule in two writings must not be in two splits
    bad: list[str] = []
    for number, smiles in read_smiles(path):
        form, reason = canonical(smiles)
        if form is None:
            bad.append(f"line {number}: {reason}")
        else:
            good.append(smiles)
            forms.append(form)
    if not good:
        raise UsageError(f"{path} holds no molecule; {bad[0] if bad else 'every line is blank'}.")
    homes = homes_by_hash(forms, valid_share, test_share, source, "molecule")
    facts: dict[str, Any] = {
        "splits": f"by a hash of the text: valid {valid_share:g}, test {test_share:g}",
        "sha256": {path.name: file_sha256(path)},
    }
    if bad:
        facts["lines that are no molecule"] = f"{len(bad)}, the first: {bad[0]}"
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for smiles, home in zip(good, homes, strict=True):
        parts[home].append(smiles)
    return prepare(parts, source, facts, options)
