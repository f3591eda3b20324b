"""Classes of molecules: a property cut at quantiles of training molecules, or own labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lebm_core.base.checks import at_least, choice
from lebm_core.data.classes import check_classes, label_names, sorted_names
from lebm_core.data.disk.tensors import CHUNK
from lebm_core.errors import UsageError
from lebm_molecules.chemistry.properties import PROPERTIES, values_of
from lebm_molecules.chemistry.rdkit import Chem, quiet

__all__ = ["Classes", "by_property", "by_word", "fingerprints", "scaffold"]

FINGERPRINT_BITS = 2048
Given = Mapping[str, Sequence[str]]  # by split


class Classes(NamedTuple):
    """The class ids of the molecules of each split, -1 where unknown, and the classes' names."""

    ids: dict[str, list[int]]
    names: list[str]


def by_property(molecules: Mapping[str, Iterable[str]], name: str, count: int) -> Classes:
    """Return classes of about equal size in the training split, by a property of RDKit's.

    A class is an interval between quantiles; a molecule at its lower end is in it.

    Args:
        molecules: SMILES by split; "train" is one of the splits.
        name: one of `lebm_molecules.chemistry.properties.PROPERTIES`.
        count: how many classes.

    Raises:
        UsageError: for an unknown property, or a number of classes that its values do not allow.
    """
    choice("data.classes", name, PROPERTIES)
    at_least("data.class_count", count, 2)
    values = {split: _values(some, name) for split, some in molecules.items()}
    known = values["train"][np.isfinite(values["train"])]
    if not len(known):
        raise UsageError(f'data.classes = "{name}": no training molecule has that property.')
    shares = np.arange(1, count) / count
    edges = np.quantile(known, shares, method="higher")
    filled = np.unique(np.searchsorted(edges, known, side="right"))
    if len(filled) < count:
        raise UsageError(
            f"data.class_count = {count} is too many: the {name} of the training molecules has too "
            f"few different values for {count} classes of about equal size."
        )
    ids = {
        split: np.where(np.isfinite(v), np.searchsorted(edges, v, side="right"), -1).tolist()
        for split, v in values.items()
    }
    cuts = [f"{edge:.4g}" for edge in edges]
    names = [
        f"{name} < {cuts[0]}",
        *(f"{a} <= {name} < {b}" for a, b in zip(cuts, cuts[1:], strict=False)),
        f"{name} >= {cuts[-1]}",
    ]
    return Classes(ids, names)


def _values(molecules: Iterable[str], name: str) -> NDArray[np.float64]:
    """A property of each molecule, computed in chunks: the molecules may be on disk."""
    rest, parts = iter(molecules), [np.empty(0)]
    while some := list(islice(rest, CHUNK)):
        parts.append(np.array(values_of(some, [name])).reshape(-1))
    return np.concatenate(parts)


def by_word(words: Given, column: str) -> Classes:
    """Return classes from labels as they are written; see `lebm_core.data.classes`.

    The classes are those of the training split. A label that no training molecule has is unknown.

    Args:
        words: by split.
        column: their name, for an error.

    Raises:
        UsageError: for fewer than two classes, or labels that are no classes.
    """
    flat = label_names(word for some in words.values() for word in some)
    rest = iter(flat)  # together: whether all are numbers is not for a split to say
    given = {split: [next(rest) for _ in some] for split, some in words.items()}
    names = sorted_names(given["train"])
    check_classes(names, given["train"], f'data.label = "{column}"')
    place = {name: i for i, name in enumerate(names)}
    return Classes({s: [place.get(name, -1) for name in some] for s, some in given.items()}, names)


def scaffold(smiles: str) -> str:
    """Return the canonical SMILES of the Bemis-Murcko scaffold; "" without a ring.

    Source: Bemis and Murcko, J. Med. Chem. 1996.
    """
    from rdkit.Chem.Scaffolds import MurckoScaffold

    with quiet():
        molecule = Chem.MolFromSmiles(smiles)
        if molecule is None or not molecule.GetRingInfo().NumRings():
            return ""
        return str(Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(molecule)))


def fingerprints(molecules: Sequence[str]) -> csr_matrix:
    """Return Morgan fingerprints of radius 2 in 2,048 places (Rogers and Hahn 2010), as counts.

    Counts of environments serve a linear classifier better than their presence.

    Args:
        molecules: n SMILES; a string that is no molecule has zeros.

    Returns:
        (n, 2048), float32 in CSR form.
    """
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=FINGERPRINT_BITS)
    places: list[NDArray[np.int64]] = []
    counts: list[NDArray[np.float32]] = []
    with quiet():
        for smiles in molecules:
            molecule = Chem.MolFromSmiles(smiles)
            bits = {}
            if molecule is not None:
                bits = generator.GetCountFingerprint(molecule).GetNonzeroElements()
            places.append(np.fromiter(bits.keys(), np.int64, len(bits)))
            counts.append(np.fromiter(bits.values(), np.float32, len(bits)))
    ends = np.cumsum([0, *map(len, places)])
    columns = np.concatenate([np.zeros(0, np.int64), *places])
    values = np.concatenate([np.zeros(0, np.float32), *counts])
    return csr_matrix((values, columns, ends), shape=(len(places), FINGERPRINT_BITS))
