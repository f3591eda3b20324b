"""The type that an annotation in source names, and the marks of parts on it."""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable
from typing import Any

from lebm_core.registry.option import supported
from lebm_core.registry.source import Definition, Module, Unreadable, look_up, value

__all__ = ["annotated", "items_of"]


def annotated(
    node: ast.expr | None, where: Module, call: Callable[..., Any]
) -> tuple[Any, tuple[Any, ...]]:
    """The type that an annotation names, and what else stands in its `Annotated[...]`.

    Args:
        node: the annotation; None where there is none.
        where: the module that it stands in.
        call: see `value`.

    Returns:
        the type, Any where it is no plain one; and the values of the marks.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return annotated(ast.parse(node.value, mode="eval").body, where, call)
    if node is None or isinstance(node, ast.Constant):
        return (Any if node is None else node.value), ()
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _union([node.left, node.right], where, call), ()
    try:
        base = look_up(node.value if isinstance(node, ast.Subscript) else node, where)
    except Unreadable:
        return Any, ()
    if isinstance(base, Definition) and isinstance(base.node, ast.expr):  # a name for a type
        return annotated(base.node, base.module, call)
    if not isinstance(node, ast.Subscript):
        return (Any if isinstance(base, (Definition, Module)) else base), ()
    items = items_of(node)
    if base is typing.Annotated:
        marks = tuple(value(item, where, call) for item in items[1:])
        return annotated(items[0], where, call)[0], marks
    return _subscripted(base, items, where, call), ()


def items_of(node: ast.Subscript) -> list[ast.expr]:
    """What stands in the brackets of X[a, b]."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _subscripted(base: Any, items: list[ast.expr], where: Module, call: Callable[..., Any]) -> Any:
    if base is typing.Literal:
        return typing.Literal[tuple(value(item, where) for item in items)]
    if base is typing.Union:
        return _union(items, where, call)
    if base is typing.Optional:
        return _union([*items, ast.Constant(None)], where, call)
    inner = tuple(... if _dots(item) else annotated(item, where, call)[0] for item in items)
    try:
        return base[inner if len(inner) > 1 else inner[0]]
    except TypeError:
        return Any


def _union(nodes: list[ast.expr], where: Module, call: Callable[..., Any]) -> Any:
    joined = None if not nodes else supported(annotated(nodes[0], where, call)[0])
    for node in nodes[1:]:
        part = supported(annotated(node, where, call)[0])
        joined = Any if Any in (joined, part) else joined | part
    return joined


def _dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...
