"""The options of a part read from its source, with nothing imported."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from typing import Any

from lebm_core.registry.annotations import annotated, items_of
from lebm_core.registry.marks import Part, Table
from lebm_core.registry.option import Option, arguments_in, supported
from lebm_core.registry.source import (
    Definition,
    Module,
    Unreadable,
    look_up,
    module,
    origin_of,
    value,
)

__all__ = ["Fields", "read_source"]

CORE = "lebm_core"
NO_OPTIONS = ("object", "Protocol", "Generic", "ABC", "Module")  # bases without options
KEPT = ("dataclass", "no_grad", "final", "staticmethod", "cache", "runtime_checkable", "override")


class Fields(dict[str, Option]):
    """The options of an instance of a dataclass: its fields, with that instance's values."""


@functools.cache
def read_source(target: str) -> dict[str, Option]:
    """The options of the class or function at "module:attribute".

    Raises:
        Unreadable: where the source does not say them.
    """
    name, _, attribute = target.partition(":")
    try:
        found = look_up(ast.parse(attribute, mode="eval").body, module(name))
        if isinstance(found, Definition) and isinstance(found.node, ast.FunctionDef):
            return _of_function(found, found)
        if isinstance(found, Definition) and isinstance(found.node, ast.ClassDef):
            return _of_class(found)
    except RecursionError:
        pass
    raise Unreadable(target)


def _of_class(found: Definition) -> dict[str, Option]:
    for owner in _chain(found):
        for node in owner.node.body:  # type: ignore[attr-defined]
            if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                return _of_function(Definition(node, owner.module), found)
        if _is_dataclass(owner):
            return _fields(owner)
    return {}


def _chain(found: Definition, within: str = "") -> Iterator[Definition]:
    """A class and its bases, those without options left out.

    Args:
        found: the class.
        within: a package beside lebm_core to which the bases are limited; "" for all.
    """
    assert isinstance(found.node, ast.ClassDef)
    _decorated(found)
    yield found
    for base in found.node.bases:
        name = base.value if isinstance(base, ast.Subscript) else base
        last = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
        if last in NO_OPTIONS or (within and origin_of(name, found.module) not in (within, CORE)):
            continue
        above = look_up(name, found.module)
        if not isinstance(above, Definition) or not isinstance(above.node, ast.ClassDef):
            raise Unreadable(last)
        yield from _chain(above, within)


def _explaining(found: Definition) -> list[Definition]:
    """The class and those bases whose docstrings explain its options."""
    return list(_chain(found, found.module.name.partition(".")[0]))


def _decorated(found: Definition) -> None:
    """Refuses a decorator that may change the signature."""
    for each in found.node.decorator_list:  # type: ignore[attr-defined]
        name = each.func if isinstance(each, ast.Call) else each
        last = name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "")
        if last not in KEPT:
            raise Unreadable(last)


def _of_function(found: Definition, owner: Definition) -> dict[str, Option]:
    node, where = found.node, found.module
    assert isinstance(node, ast.FunctionDef)
    _decorated(found)
    method = node.name == "__init__"
    positional = [*node.args.posonlyargs, *node.args.args]
    defaults = [None] * (len(positional) - len(node.args.defaults)) + [*node.args.defaults]
    pairs: list[tuple[ast.arg, ast.expr | None]] = list(zip(positional, defaults, strict=True))
    pairs = pairs[method:]
    pairs += list(zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True))
    owners = _explaining(owner) if isinstance(owner.node, ast.ClassDef) else [owner]
    help = _help(owners)
    options: dict[str, Option] = {}
    for argument, default in pairs:
        made = _option(argument.arg, argument.annotation, default, where, help)
        options |= {each.name: each for each in made}
    if node.args.kwarg is not None:
        options |= _unpacked(node.args.kwarg.annotation, where, owner, help)
    return options


def _option(
    name: str, annotation: ast.expr | None, default: ast.expr | None, where: Module,
    help: Mapping[str, str],
) -> list[Option]:  # fmt: skip
    found, marks = annotated(annotation, where, _call)
    part = next((mark for mark in marks if isinstance(mark, Part)), None)
    given = MISSING if default is None else value(default, where, _call)
    explained = help.get(name, "")
    if isinstance(given, Fields):
        if any(isinstance(mark, Table) or mark is Table for mark in marks):
            return [Option(name, Any, None, explained, table=given)]
        return [option._replace(within=name) for option in given.values()]
    fields = _many(annotation, where)
    if fields is not None:
        return [Option(name, Any, given, explained, table=fields, many=True)]
    return [Option(name, Any if part else supported(found), given, explained, part)]


def _many(node: ast.expr | None, where: Module) -> Fields | None:
    """The fields of the dataclass in an annotation `dict[str, SomeDataclass]`."""
    if not isinstance(node, ast.Subscript) or getattr(node.value, "id", "") != "dict":
        return None
    try:
        found = look_up(items_of(node)[-1], where)
    except Unreadable:
        return None
    return _fields(found) if isinstance(found, Definition) and _is_dataclass(found) else None


def _is_dataclass(found: Definition) -> bool:
    return isinstance(found.node, ast.ClassDef) and any(
        "dataclass" in ast.dump(each) for each in found.node.decorator_list
    )


def _call(found: Definition, arguments: list[Any], named: dict[str, Any]) -> Fields:
    """The instance of a dataclass that a call makes."""
    if not _is_dataclass(found):
        raise Unreadable(ast.dump(found.node))
    fields = _fields(found)
    given = dict(zip(fields, arguments, strict=False)) | named
    return Fields(
        (key, field._replace(default=given.get(key, field.default)))
        for key, field in fields.items()
    )


def _fields(found: Definition) -> Fields:
    fields = Fields()
    help = _help(_explaining(found), "Attributes")
    for owner in reversed(list(_chain(found))):
        for node in owner.node.body:  # type: ignore[attr-defined]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                default, kept = _field_default(node.value, owner.module)
                if "ClassVar" not in ast.dump(node.annotation) and kept:
                    made = _option(node.target.id, node.annotation, default, owner.module, help)
                    fields |= {each.name: each for each in made}
    return fields


def _field_default(node: ast.expr | None, where: Module) -> tuple[ast.expr | None, bool]:
    """The expression of a field's default, and whether the constructor takes the field."""
    if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "field":
        return node, True
    given = {entry.arg: entry.value for entry in node.keywords}
    factory, init = given.get("default_factory"), given.get("init")
    kept = not (isinstance(init, ast.Constant) and init.value is False)
    if isinstance(factory, ast.Lambda):
        return factory.body, kept
    if factory is not None:
        return ast.Call(factory, [], []), kept
    return given.get("default"), kept


def _help(owners: list[Definition], section: str = "Args") -> dict[str, str]:
    """What the docstrings of a class, its constructor and its bases say, the nearest first."""
    found: dict[str, str] = {}
    for owner in owners:
        nodes = [owner.node, *getattr(owner.node, "body", [])]
        for node in nodes:
            if node is owner.node or getattr(node, "name", "") == "__init__":
                found = {**arguments_in(ast.get_docstring(node), section), **found}
    return found


def _unpacked(
    annotation: ast.expr | None, where: Module, owner: Definition, help: Mapping[str, str]
) -> dict[str, Option]:
    """The options of `**options: Unpack[SomeTypedDict]`, with the defaults of the base class."""
    if not isinstance(annotation, ast.Subscript) or "Unpack" not in ast.dump(annotation.value):
        return {}
    found = look_up(annotation.slice, where)
    if not isinstance(found, Definition) or not isinstance(found.node, ast.ClassDef):
        raise Unreadable("Unpack")
    base = next(itertools.islice(_chain(owner), 1, None), None)
    above = {} if base is None else _of_class(base)
    keys = [node.target.id for node in found.node.body if isinstance(node, ast.AnnAssign)]  # type: ignore[union-attr]
    if not set(keys) <= set(above):
        raise Unreadable("Unpack")
    return {key: above[key]._replace(help=help.get(key) or above[key].help) for key in keys}
