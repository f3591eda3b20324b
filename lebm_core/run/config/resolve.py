"""From layers to one recipe, its baselines resolved with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.registry.registry import registry
from lebm_core.run.config.fill import fill
from lebm_core.run.config.layers import Layer
from lebm_core.run.config.merge import merge
from lebm_core.run.config.schema import registered_baselines

__all__ = ["CAPPED", "resolve"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # of a baseline: it is a folder's and a row's
ROWS = ("model", "real", "aggregate", "reference")  # of the results, which are no baseline's
# How long a baseline trains is part of what a preset or the command line asks of the whole run.
CAPPED = ("training.epochs", "training.max_steps")


def resolve(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The tables of a recipe, every option filled in, and those of its baselines by name.

    A baseline is the recipe as all layers leave it, with the values of its own table in each of
    them on top. Where a layer says how long to train, a baseline of the layers below it trains no
    longer than that.

    Args:
        layers: the recipe as it stands in its file first, what is put over it last.

    Raises:
        UsageError: an unknown key, part or baseline, or a value of the wrong type, with its place.
    """
    state: dict[str, Any] = {}
    for layer in layers:
        state = merge(state, layer.without("baseline"))
    tables = _baseline_tables(layers)
    chosen = state["evaluation"].get("baselines", list(tables))
    _check_chosen(chosen, tables, layers)
    state["evaluation"] = {**state["evaluation"], "baselines": chosen}
    baselines: dict[str, dict[str, Any]] = {}
    for name in tables:  # also one that is not chosen, so that a mistake in it is found
        own: dict[str, Any] = state
        for layer in _capped(layers, name):
            own = merge(own, layer)
        if name in chosen:
            fitted = registered_baselines(own["evaluation"]["baselines"])
            baselines[name] = fill(
                {**own, "evaluation": {**own["evaluation"], "baselines": fitted}}
            )
    return fill(state), {name: baselines[name] for name in chosen if name in baselines}


def _baseline_tables(layers: Sequence[Layer]) -> dict[str, str]:
    """The names of all baselines, each with the place where it was last mentioned, in words."""
    tables: dict[str, str] = {}
    for layer in layers:
        for key, value in layer.values.items():
            table, _, rest = key.partition(".")
            name, _, option = rest.partition(".")
            if table != "baseline":
                continue
            if not name or (not option and value != {}):
                raise UsageError(f"{layer.where(key)}: a baseline is a table, [baseline.NAME].")
            taken = [*ROWS, *registry().names("baselines")]
            if not NAME.fullmatch(name) or name in taken:
                raise UsageError(
                    f'{layer.where(key)}: a baseline cannot be called "{name}"; accepted are '
                    f"letters, digits, _ and -, and none of {', '.join(taken)}."
                )
            tables[name] = layer.where(key)
    return tables


def _check_chosen(
    chosen: Sequence[str], tables: Mapping[str, str], layers: Sequence[Layer]
) -> None:
    known = [*tables, *registry().names("baselines")]
    for name in chosen:
        if name not in known:
            raise UsageError(
                f'evaluation.baselines names "{name}", which is no baseline of this recipe.'
                f"{did_you_mean(name, known)} Known: {', '.join(known) or 'none'}."
            )
    for name, place in tables.items():
        start = f"baseline.{name}"
        in_file = any(f"{key}.".startswith(f"{start}.") for key in layers[0].values)
        if name not in chosen and not in_file:
            raise UsageError(
                f'{place}: there is no baseline "{name}" in '
                f"evaluation.baselines.{did_you_mean(name, chosen)} Known: "
                f"{', '.join(chosen) or 'none'}."
            )


def _capped(layers: Sequence[Layer], name: str) -> list[Layer]:
    """What each layer says of a baseline, with its training no longer than later layers say."""
    own = [layer.under(f"baseline.{name}") for layer in layers]
    for number, layer in enumerate(own):
        for key in CAPPED:
            limits = [later.values.get(key) for later in layers[number + 1 :]]
            allowed = [layer.values.get(key), *limits]
            if isinstance(allowed[0], int):
                layer.values[key] = min(limit for limit in allowed if isinstance(limit, int))
    return own
