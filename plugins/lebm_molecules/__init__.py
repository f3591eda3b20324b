"""Molecules for lebm: data sets of SMILES and SELFIES, and metrics of generated molecules.

Only names and import strings stand here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = [
    "lebm_register_adapters",
    "lebm_register_commands",
    "lebm_register_datasets",
    "lebm_register_decoders",
    "lebm_register_figures",
    "lebm_register_metrics",
]


@hookimpl
def lebm_register_datasets(register: Register) -> None:
    """ZINC250k, QM9, RDKit's NCI molecules, any file."""
    for name in ("zinc", "qm9", "nci", "file"):
        register(f"molecules.{name}", f"lebm_molecules.data.sources:{name}")


@hookimpl
def lebm_register_decoders(register: Register) -> None:
    """A sequence decoder that sees the open rings and branches of a SMILES."""
    register("molecules.smiles", "lebm_molecules.networks.smiles_decoder:SmilesDecoder")


@hookimpl
def lebm_register_adapters(register: Register) -> None:
    """Lists of SMILES, for `LatentEBMClassifier`."""
    register("molecules", "lebm_molecules.data.adapters:MoleculeAdapter")


@hookimpl
def lebm_register_metrics(register: Register) -> None:
    """Metrics of a model of molecules."""
    register("molecules.quality", "lebm_molecules.metrics.quality:Quality")
    register("molecules.control", "lebm_molecules.metrics.control:ControlledMolecules")
    register("molecules.reconstruction", "lebm_molecules.metrics.reconstruction:Reconstruction")


@hookimpl
def lebm_register_figures(register: Register) -> None:
    """Molecules on a line in z."""
    register("molecules.interpolation", "lebm_molecules.figures.interpolation:interpolation")


@hookimpl
def lebm_register_commands(register: Register) -> None:
    """`lebm molecules evaluate`, `lebm molecules design`."""
    about = "Score generated molecules, and design better ones."
    register("molecules", "lebm_molecules.cli:app", about)
