"""Properties of molecules by RDKit, for heads, classes, controls and design.

Sources: QED, Bickerton et al. 2012; logP, Wildman and Crippen 1999; SA score, Ertl and
Schuffenhauer 2009; polar surface area, Ertl et al. 2000. Penalised logP is logP - SA score - a
penalty for rings of more than 6 atoms. It occurs in two forms that must not be compared:
`plogp` as it stands, each such ring costing 1 (Kong et al. 2023, arXiv 2306.14902), and `plogp_z`,
each of the three terms standardised over ZINC250k, the penalty being the atoms above 6 of the
largest cycle (Jin et al. 2018, arXiv 1802.04364). The constants of the latter are the published
ones. Of 20,000 molecules of ZINC250k drawn at random the three means are 2.459, 3.045 and 0.0482,
the standard deviations 1.428, 0.831 and 0.2865, which agrees with them; the largest cycle is that
of networkx's cycle basis, as there, whose cycles are not the smallest: RDKit's rings would give
0.0376 and 0.2267, and another value for 0.5 % of the molecules.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from lebm_molecules.chemistry.limited import Refused
from lebm_molecules.chemistry.parallel import mapped
from lebm_molecules.chemistry.rdkit import Chem, quiet

__all__ = ["PROPERTIES", "SAMPLED_BY", "numbers", "values_of"]

PROPERTIES = ("qed", "logp", "sa", "weight", "rings", "tpsa", "plogp", "plogp_z")
SAMPLED_BY = ("qed", "logp", "sa", "weight", "plogp")  # heads may be fitted for these
# Means and standard deviations over ZINC250k as published with the JT-VAE.
ZINC_LOGP = 2.4570953396190123, 1.434324401111988
ZINC_SA = 3.0525811293166134, 0.8335207024513095
ZINC_RING = 0.0485696876403053, 0.2860212110245455
LARGE = 6  # atoms: larger rings are penalised


@functools.cache
def _functions() -> dict[str, Callable[[Any], float]]:
    from rdkit.Chem import QED, Crippen, Descriptors, rdMolDescriptors
    from rdkit.Contrib.SA_Score import sascorer

    functions = (
        QED.qed, Crippen.MolLogP, sascorer.calculateScore, Descriptors.MolWt,
        rdMolDescriptors.CalcNumRings, rdMolDescriptors.CalcTPSA, _penalised, _penalised_z,
    )  # fmt: skip
    return dict(zip(PROPERTIES, functions, strict=True))


def _penalised(molecule: Any) -> float:
    by = _functions()
    large = sum(len(ring) > LARGE for ring in molecule.GetRingInfo().AtomRings())
    return by["logp"](molecule) - by["sa"](molecule) - large


def _penalised_z(molecule: Any) -> float:
    import networkx  # type: ignore[import-untyped]

    by, bonds = _functions(), Chem.GetAdjacencyMatrix(molecule)
    above = max([LARGE, *map(len, networkx.cycle_basis(networkx.Graph(bonds)))]) - LARGE
    terms = (by["logp"](molecule), ZINC_LOGP), (by["sa"](molecule), ZINC_SA)
    logp, sa = ((value - mean) / std for value, (mean, std) in terms)
    return logp - sa - (above - ZINC_RING[0]) / ZINC_RING[1]


def numbers(molecule: Any, names: Iterable[str]) -> tuple[float, ...]:
    """Return these properties of an RDKit molecule."""
    functions = _functions()
    return tuple(float(functions[name](molecule)) for name in names)


def values_of(molecules: Sequence[str], names: Sequence[str]) -> list[tuple[float, ...]]:
    """Return these properties of each SMILES.

    NaN for a string that is no molecule, and for one that RDKit works on for too long.
    """
    missing = (math.nan,) * len(names)
    rows = mapped(partial(_values, tuple(names)), molecules, easy="C")
    return [missing if isinstance(row, Refused) else row for _, row in rows]


def _values(names: tuple[str, ...], smiles: str) -> tuple[float, ...]:
    with quiet():
        molecule = Chem.MolFromSmiles(smiles)
        known = molecule is not None and molecule.GetNumAtoms()
        return numbers(molecule, names) if known else (math.nan,) * len(names)
