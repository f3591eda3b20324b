"""Molecules for lebm: data sets of SMILES and SELFIES, and an evaluation of generated ones.

Only names and import strings are given here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = [
    "lebm_register_commands",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_adapters",
    "lebm_register_metrics",
]

Register = Callable[..., None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """ZINC250k, QM9, RDKit's NCI molecules, any file."""
    for name in ("zinc", "qm9", "nci", "file"):
        register(f"molecules.{name}", f"lebm_molecules.data.sources:{name}")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """A sequence decoder that sees what a SMILES has left open."""
    register("molecules.smiles", "lebm_molecules.networks.smiles_decoder:SmilesDecoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Lists of SMILES, for `LatentEBMClassifier`."""
    register("molecules", "lebm_molecules.data.adapters:MoleculeInputs")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """What a model of molecules is judged by."""
    register("molecules.quality", "lebm_molecules.metrics.registered:quality")
    register("molecules.control", "lebm_molecules.metrics.control:control")
    register("molecules.reconstruction", "lebm_molecules.metrics.registered:reconstruction")


@hookimpl
def lebm_register_commands(register: Register) -> None:
    """`lebm molecules evaluate`, `lebm molecules design`."""
    about = "How good generated molecules are: evaluate; molecules by property: design."
    register("molecules", "lebm_molecules.cli:app", about)
