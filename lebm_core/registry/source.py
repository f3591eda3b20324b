"""Read Python source without importing it: names, constants, dataclasses and base classes."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import operator
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from lebm_core.registry.marks import Part, Table

__all__ = ["Definition", "Module", "Unreadable", "look_up", "module", "origin_of", "value"]

PLAIN = ("abc", "collections", "dataclasses", "functools", "math", "typing", "typing_extensions")
MARKERS = {"Part": Part, "Table": Table}
OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
CALLED = (float, int, str, bool, tuple, list, dict, set, frozenset, Part, Table)


class Unreadable(Exception):
    """The source does not say it in a form that is understood here: import the module instead."""


class Imported(NamedTuple):
    """A name that a module imports: `attribute` of `module`, or the module itself."""

    module: str
    attribute: str = ""


class Module(NamedTuple):
    """The names that a source file defines or imports at its top level."""

    name: str
    names: dict[str, ast.AST | Imported]


class Definition(NamedTuple):
    """A class, a function or the expression of a constant, and the module that it stands in."""

    node: ast.AST
    module: Module


@functools.cache
def module(name: str) -> Module:
    """The module of that name, from its source; packages above it are not imported either.

    Raises:
        Unreadable: no such module, or one without source.
    """
    first, *rest = name.split(".")
    try:
        spec, path = find_spec(first), first
        for part in rest:
            path = f"{path}.{part}"
            spec = PathFinder.find_spec(path, spec.submodule_search_locations)  # type: ignore[union-attr]
        source = spec.loader.get_source(name)  # type: ignore[union-attr]
    except (AttributeError, ImportError, OSError, SyntaxError, ValueError):
        raise Unreadable(name) from None
    if source is None or spec is None:
        raise Unreadable(name)
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    names: dict[str, ast.AST | Imported] = {}
    for string in filter(None, (_stub(spec.origin), source)):
        _collect(ast.parse(string).body, package, names)
    return Module(name, names)


def _stub(file: str | None) -> str:
    """The content of the stub beside a source file: it names what a package imports when asked."""
    stub = Path(file or "").with_suffix(".pyi")
    return stub.read_text(encoding="utf-8") if stub.is_file() else ""


def _collect(body: list[ast.stmt], package: str, names: dict[str, ast.AST | Imported]) -> None:
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            names[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names |= _assigned(target, node.value)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            names[node.target.id] = node.value
        elif isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or top] = Imported(top)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*(above if node.level else ()), *filter(None, [node.module])])
            for alias in node.names:
                names[alias.asname or alias.name] = Imported(origin, alias.name)
        elif isinstance(node, ast.If):  # most often: if TYPE_CHECKING
            _collect(node.body, package, names)


def _assigned(target: ast.expr, value: ast.expr) -> dict[str, ast.AST | Imported]:
    if isinstance(target, ast.Name):
        return {target.id: value}
    found: dict[str, ast.AST | Imported] = {}
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for inner, part in zip(target.elts, value.elts, strict=False):
            found |= _assigned(inner, part)
    return found


def look_up(node: ast.AST, where: Module) -> Any:
    """What a name or a dotted name stands for.

    Returns:
        a `Definition`, a `Module`, or the object itself of builtins and a few standard modules.

    Raises:
        Unreadable: where it cannot be found in the source.
    """
    if isinstance(node, ast.Name):
        return _named(node.id, where)
    if isinstance(node, ast.Attribute):
        owner = look_up(node.value, where)
        if isinstance(owner, Module):
            return _named(node.attr, owner)
        if not isinstance(owner, Definition) and hasattr(owner, node.attr):
            return getattr(owner, node.attr)
    raise Unreadable(ast.dump(node))


def _named(name: str, where: Module) -> Any:
    entry = where.names.get(name)
    if entry is None:
        if name not in where.names and hasattr(builtins, name):
            return getattr(builtins, name)
        return _submodule(where.name, name)
    if not isinstance(entry, Imported):
        return Definition(entry, where)
    if entry.module.partition(".")[0] in PLAIN:
        found = importlib.import_module(entry.module)
        return getattr(found, entry.attribute) if entry.attribute else found
    if entry.module.startswith("lebm_core") and entry.attribute in MARKERS:
        return MARKERS[entry.attribute]
    if not entry.attribute:
        return module(entry.module)
    return _named(entry.attribute, module(entry.module))


def _submodule(package: str, name: str) -> Module:
    return module(f"{package}.{name}")


def origin_of(node: ast.AST, where: Module) -> str:
    """The top-level package that a name comes from, as far as this module's imports say."""
    while isinstance(node, ast.Attribute):
        node = node.value
    entry = where.names.get(getattr(node, "id", ""))
    return (entry.module if isinstance(entry, Imported) else where.name).partition(".")[0]


def value(node: ast.AST, where: Module, call: Callable[..., Any] | None = None) -> Any:
    """The value of an expression made of literals, constants and the markers of parts.

    Args:
        node: the expression.
        where: the module that it stands in.
        call: makes the value of a call of a class defined in source, from its definition and its
            positional and named arguments.

    Raises:
        Unreadable: for any other expression.
    """

    def inner(part: ast.AST) -> Any:
        return value(part, where, call)

    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        kind = {ast.Tuple: tuple, ast.List: list, ast.Set: set}[type(node)]
        return kind(inner(item) for item in node.elts)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {inner(k): inner(v) for k, v in zip(node.keys, node.values, strict=True) if k}
    if isinstance(node, ast.Subscript):
        return inner(node.value)[inner(node.slice)]
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](inner(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](inner(node.left), inner(node.right))
    if isinstance(node, ast.Call):
        made = look_up(node.func, where)
        arguments = [inner(argument) for argument in node.args]
        named = {str(entry.arg): inner(entry.value) for entry in node.keywords}
        if made in CALLED:
            return made(*arguments, **named)
        if isinstance(made, Definition) and isinstance(made.node, ast.ClassDef) and call:
            return call(made, arguments, named)
        raise Unreadable(ast.dump(node.func))
    found = look_up(node, where)
    if isinstance(found, Definition) and isinstance(found.node, ast.expr):
        return value(found.node, found.module, call)
    if isinstance(found, (bool, int, float, str, tuple, type(None))):
        return found
    raise Unreadable(ast.dump(node))
