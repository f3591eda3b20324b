"""Build a registered part from its table."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from lebm_core.errors import UsageError
from lebm_core.registry.registry import registry
from lebm_core.run.old.recipe import options

__all__ = ["component"]

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def component(kind: str, table: Mapping[str, Any], latent_dim: int, sizes: dict[str, Any]) -> Any:
    """Makes a decoder or encoder; what the data set knows fills what the recipe leaves open.

    Raises:
        UsageError: where the data set does not say a size that it needs.
    """
    make = registry().get(kind, table["name"])
    given = options(table)
    parameters = inspect.signature(make).parameters
    for name, parameter in parameters.items():
        if name == "latent_dim":
            given[name] = latent_dim
        elif name in sizes and given.get(name, parameter.default) in (None, parameter.default):
            given[name] = sizes[name]
    asked = [name for name, p in parameters.items() if p.default is p.empty and p.kind in NAMED]
    missing = [name for name in asked if name not in given]
    if missing:
        part = kind.removesuffix("s")
        raise UsageError(
            f'The {part} "{table["name"]}" needs {" and ".join(missing)}, which this data set does '
            f"not give: it gives {', '.join(sizes) or 'none'}. Choose other data, or another "
            f"{part}."
        )
    return make(**given)
