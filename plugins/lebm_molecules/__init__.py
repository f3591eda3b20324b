"""Molecules for lebm: an evaluation of generated SMILES.

Only names and import strings are given here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from collections.abc import Callable

import pluggy

__all__ = ["lebm_register_commands"]

Register = Callable[[str, str, str], None]
hookimpl = pluggy.HookimplMarker("lebm")


@hookimpl
def lebm_register_commands(register: Register) -> None:
    """`lebm molecules evaluate`."""
    register("molecules", "lebm_molecules.cli:app", "How good generated molecules are: evaluate.")
