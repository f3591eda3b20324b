"""A local page for a finished run: samples, a map of its codes, one's own examples, its chain.

Only names and import strings stand here: nothing heavy is imported until it is used.
"""

from __future__ import annotations

from lebm_core import Register, hookimpl

__all__ = ["lebm_register_commands"]


@hookimpl
def lebm_register_commands(register: Register) -> None:
    """`lebm explore RUN`."""
    register("explore", "lebm_app.cli:explore", "Open a local page for a finished run.")
