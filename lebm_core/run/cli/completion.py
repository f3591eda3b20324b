"""What a shell completes: names of recipes, of data sets and of kinds of data."""

from __future__ import annotations

import typer

from lebm_core.run.cli.templates import kinds

__all__ = ["complete_kind", "complete_recipe", "complete_template", "complete_value"]

KEY = "data.name="


def complete_recipe(incomplete: str) -> list[str]:
    """The recipes that begin so."""
    return _beginning("recipes", incomplete)


def complete_value(ctx: typer.Context, incomplete: str) -> list[str]:
    """The data sets, behind data.name=; bash takes the value for a word of its own."""
    if incomplete.startswith(KEY):
        found = _beginning("datasets", incomplete.removeprefix(KEY))
        return [KEY + name for name in found]
    if "".join(ctx.params.get("overrides") or ()).endswith((KEY, KEY[:-1])):
        return _beginning("datasets", incomplete)
    return [KEY] if KEY.startswith(incomplete) else []


def complete_kind(incomplete: str) -> list[str]:
    """The kinds of data that begin so."""
    known = {name.partition(".")[0] for name in _names("datasets")}
    return sorted(kind for kind in known if kind.startswith(incomplete))


def complete_template(incomplete: str) -> list[str]:
    """The kinds of data that there is a plugin to start from for, which begin so."""
    return [kind for kind in kinds() if kind.startswith(incomplete)]


def _beginning(kind: str, incomplete: str) -> list[str]:
    return [name for name in _names(kind) if name.startswith(incomplete)]


def _names(kind: str) -> list[str]:
    from lebm_core.registry.registry import discover

    return discover().names(kind)
