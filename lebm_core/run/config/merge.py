"""One layer of a recipe over those below it: names, keys and types checked, one message each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from lebm_core.errors import UsageError, did_you_mean, shown
from lebm_core.registry.option import Option, choices
from lebm_core.registry.parts import Part
from lebm_core.run.config.layers import Layer, unflatten
from lebm_core.run.config.schema import MODEL, family, options_in, part_options
from lebm_core.run.config.values import describe, fit

__all__ = ["merge"]

# What stays where another part is named, if that takes it too.
KEPT = {"datasets": ("batch_size",), "priors": ("latent_dim", "reference_std")}
NAME = Option("name", str)
LIKE = 0.6  # how like a key must be to be meant


def merge(state: Mapping[str, Any], layer: Layer) -> dict[str, Any]:
    """The values that are set once a layer is put over others.

    Args:
        state: nested tables of the values set so far, as this function returns them.
        layer: the values to set.

    Raises:
        UsageError: an unknown key or part, or a value of the wrong type, with its place.
    """
    new, at = unflatten(layer.values), _At(layer)
    before = state.get("model", {})
    model = _merge_part(MODEL, before, _table(new, at, "model"), at.inside("model"))
    if model["name"] != before.get("name", MODEL.default):
        stale = family(before.get("name", MODEL.default))
        state = {key: value for key, value in state.items() if key not in stale}
        training, own = state.get("training", {}), family(model["name"])
        if "parts" in training:  # rates of parts that another family has none of
            rates = {part: table for part, table in training["parts"].items() if part in own}
            state["training"] = {**training, "parts": rates}
    evaluation = dict(state.get("evaluation", {}))
    given = _table(new, at, "evaluation")
    for key in ("metrics", "baselines"):
        if key in given:
            option = Option(key, list[str])
            evaluation[key] = _fitted(option, given[key], at.inside("evaluation"))
    with _placed(at.inside("evaluation"), "metrics"):
        options = options_in(model["name"], evaluation)
    known = options["evaluation"].table or {}
    evaluation = {key: value for key, value in evaluation.items() if key in known}
    old = {**state, "model": model, "evaluation": evaluation}
    return _merge_table(options, old, {**new, "model": {}}, at)


class _At(NamedTuple):
    """A table of a layer."""

    layer: Layer
    path: str = ""

    def key(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def inside(self, name: str) -> _At:
        return _At(self.layer, self.key(name))

    def place(self, name: str) -> str:
        return self.layer.where(self.key(name))


def _merge_table(
    options: Mapping[str, Option], old: Mapping[str, Any], new: Mapping[str, Any], at: _At
) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        option = options.get(key)
        if option is None:
            raise UsageError(_unknown(key, options, old, at))
        inside, known = at.inside(key), merged.get(key, {})
        if option.part is not None:
            none = option.part.optional and value in ("", "none", None)
            table = {"name": ""} if none else _table(new, at, key)
            merged[key] = _merge_part(option.part, known, table, inside)
        elif option.table is not None and option.many:
            merged[key] = dict(known)
            table = _table(new, at, key)
            for name in table:
                inner = _table(table, inside, name)
                merged[key][name] = _merge_table(
                    option.table, known.get(name, {}), inner, inside.inside(name)
                )
        elif option.table is not None:
            merged[key] = _merge_table(option.table, known, _table(new, at, key), inside)
        else:
            merged[key] = _fitted(option, value, at)
    return merged


def _merge_part(
    part: Part, old: Mapping[str, Any], new: Mapping[str, Any], at: _At
) -> dict[str, Any]:
    """The table of a part; options of another part than the one now named are dropped."""
    before = name = old.get("name", part.default)
    if "name" in new:
        name = _fitted(NAME, new["name"], at)
        if part.optional and name == "none":
            name = ""
    if not name and not part.optional:
        raise UsageError(
            f"{at.layer.where(at.path)}: the recipe must name its {at.path}, [{at.path}] name."
        )
    with _placed(at, "name"):
        options = part_options(part, name) if name else {}
    kept = options if name == before else KEPT.get(part.kind, ())
    old = {key: value for key, value in old.items() if key in options and key in kept}
    rest = {key: value for key, value in new.items() if key != "name"}
    return {"name": name, **_merge_table({"name": NAME, **options}, old, rest, at)}


def _table(tables: Mapping[str, Any], at: _At, key: str) -> Mapping[str, Any]:
    """The table at a key of a layer's values, {} where there is none."""
    table = tables.get(key, {})
    if isinstance(table, Mapping):
        return table
    raise UsageError(
        f'{at.place(key)}: "{at.key(key)}" is a table; set one of its keys, {at.key(key)}.KEY.'
    )


def _fitted(option: Option, value: Any, at: _At) -> Any:
    key = at.key(option.name)
    try:
        return fit(option.annotation, value, at.layer.raw.get(key))
    except ValueError:
        raise UsageError(_wrong(key, value, at.layer, option.annotation)) from None


@contextmanager
def _placed(at: _At, key: str) -> Iterator[None]:
    """Put the place of a key before a usage error raised within, where the layer sets the key."""
    try:
        yield
    except UsageError as error:
        if type(error) is not UsageError or at.key(key) not in at.layer.values:
            raise
        raise UsageError(f"{at.place(key)}: {error}") from None


def _unknown(key: str, options: Mapping[str, Option], old: Mapping[str, Any], at: _At) -> str:
    near = _nearest(key, options, old)
    if near:
        near = f' Did you mean "{at.key(near)}"?'
    else:
        table = f"[{at.path}]" if at.path else "A recipe"
        near = f" {table} accepts {', '.join(options) or 'none'}."
    return f"{at.place(key)}: there is no option {shown(at.key(key))}.{near}"


def _nearest(key: str, options: Mapping[str, Option], old: Mapping[str, Any]) -> str:
    """The key most like this one, "" for none; the tables within are searched too."""
    import difflib

    def unlike(path: str) -> tuple[float, int]:
        last = path.rpartition(".")[2]
        likeness = difflib.SequenceMatcher(None, last.lower(), key.lower()).ratio()
        return -likeness, path.count(".")

    nearest = min(_paths(options, old), key=unlike, default="")
    return nearest if -unlike(nearest)[0] >= LIKE else ""


def _paths(options: Mapping[str, Option], old: Mapping[str, Any], start: str = "") -> Iterator[str]:
    """The keys of a table and of those within it, dotted."""
    for name, option in options.items():
        yield start + name
        if not option.many:
            known = old.get(name)
            table = known if isinstance(known, Mapping) else {}
            yield from _paths(_inner(option, table), table, f"{start}{name}.")


def _inner(option: Option, table: Mapping[str, Any]) -> Mapping[str, Option]:
    if option.part is None:
        return option.table or {}
    name = table.get("name", option.part.default)
    return part_options(option.part, name) if name else {}


def _wrong(key: str, value: Any, layer: Layer, annotation: Any) -> str:
    near = did_you_mean(value, map(str, choices(annotation))) if isinstance(value, str) else ""
    return f"{layer.where(key)}: {key} must be {describe(annotation)}, not {_shown(value)}.{near}"


def _shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    return shown(value) if isinstance(value, str) else f"{value!r:.80}"
