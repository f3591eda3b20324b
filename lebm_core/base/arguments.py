"""What users give to a model or a prior, as tensors: converted where it can be, else refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lebm_core.base.checks import whole
from lebm_core.base.modules import device_of
from lebm_core.errors import UsageError, shown

__all__ = ["dtype_of", "entry", "floats", "ids", "keeps", "request"]

P = ParamSpec("P")
R = TypeVar("R")


def entry(method: Callable[P, R]) -> Callable[P, R]:
    """A method that users call: its generator is one, and it works in `torch.inference_mode()`.

    Chains differentiate, which no tensor made in that mode allows: it is left within the method.
    """

    @functools.wraps(method)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        generator = kwargs.get("generator")
        if generator is not None and not isinstance(generator, torch.Generator):
            raise UsageError(
                f"generator = {shown(generator)} is no torch.Generator; use "
                "torch.Generator().manual_seed(0)."
            )
        if not torch.is_inference_mode_enabled():
            return method(*args, **kwargs)
        with torch.inference_mode(False), torch.no_grad():
            return method(*args, **kwargs)

    return called


def floats(
    name: str,
    value: Any,
    shape: Sequence[int | None],
    module: nn.Module | None = None,
    *,
    rows: int | None = None,
    least: int = 0,
    discrete: bool = False,
) -> Tensor:
    """A tensor, array or list of numbers as a tensor (B, *shape) where the module is, in its type.

    Args:
        name: of the argument, for messages.
        value: numbers of any type.
        shape: of one row; None for an axis of any length.
        module: gives device and type; by default the tensor's own, float32 for what is no tensor.
        rows: B, where it is known.
        least: of B.
        discrete: leave integers as they are.

    Raises:
        UsageError: naming the argument, its shape and the one that is wanted.
    """
    found = _tensor(name, value)
    if not _fits(found, shape, rows, least):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        first = "B" if rows is None else str(rows)
        more = f" with at least {least} rows" if least > 1 else ""
        if found.ndim == len(shape) and _fits(found[None], shape, rows, least):
            more = f": one row alone is {name}[None]"
        elif least and found.ndim and not len(found):
            more = ", B at least 1"
        elif rows is not None:
            more = ", as many rows as there are samples or examples"
        raise UsageError(
            f"{name} has the shape {tuple(found.shape)}; use ({first}, {wanted}){more}."
        )
    dtype = torch.float32 if module is None else dtype_of(module)
    if discrete and not found.is_floating_point():
        dtype = found.dtype
    elif module is None and isinstance(value, Tensor) and found.dtype == torch.float64:
        dtype = found.dtype
    return _usable(found.to(found.device if module is None else device_of(module), dtype))


def ids(name: str, value: Any, below: int, module: nn.Module) -> Tensor:
    """Integers from 0 to `below` - 1 as a tensor (B, T) of int64 where the module is, B from 1 on.

    Raises:
        UsageError: naming the argument, and its shape or the first wrong id.
    """
    found = _tensor(name, value)
    if found.ndim != 2 or not found.numel():
        raise UsageError(
            f"{name} has the shape {tuple(found.shape)}; use (B, T), a row of ids for each of B "
            "sequences, B and T at least 1."
        )
    wrong = (found < 0) | (found >= below) | (found != found.long())
    if bool(wrong.any()):
        raise UsageError(
            f"{name} holds {found[wrong][0].item():g}; use ids, integers from 0 to {below - 1}."
        )
    return _usable(found.to(device_of(module), torch.long))


def keeps(name: str, value: Any, like: Tensor) -> Tensor:
    """A mask, True or 1 where `like` is kept, as a tensor of bool in its shape.

    Raises:
        UsageError: for another type, or a shape that cannot be repeated to that of `like`.
    """
    mask = _tensor(name, value).to(like.device)
    if mask.dtype != torch.bool:
        if bool(((mask != 0) & (mask != 1)).any()):
            raise UsageError(f"{name} holds other values than True and False, or 1 and 0.")
        mask = mask == 1
    try:
        return _usable(mask.expand_as(like))
    except RuntimeError:
        raise UsageError(
            f"{name} has the shape {tuple(mask.shape)}; use that of x, {tuple(like.shape)}, or of "
            f"one row, {tuple(like.shape[1:])}."
        ) from None


def request(
    n: Any, context: Any, width: int, module: nn.Module, least: int = 0
) -> tuple[int, Tensor | None]:
    """How many samples are asked for, and their context (n, c) or None.

    Args:
        n: a whole number from `least` on.
        context: numbers, a row for each sample.
        width: c; 0 for any.
        module: gives device and type.
        least: of n.

    Raises:
        UsageError: naming the argument that is not possible.
    """
    n = whole("n", n, least, 2**62)
    if context is not None:
        context = floats("context", context, (width or None,), module, rows=n)
    return n, context


def dtype_of(module: nn.Module) -> torch.dtype:
    """The type of the module's weights (or buffers); float32 where it has none."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def _tensor(name: str, value: Any) -> Tensor:
    """Any numbers as a tensor of a type that torch has."""
    if isinstance(value, Tensor):
        found = value.to_dense() if value.is_sparse else value
    else:
        try:
            if isinstance(value, (list, tuple)) and value and isinstance(value[0], Tensor):
                value = torch.stack([torch.as_tensor(each) for each in value]).numpy(force=True)
            array = np.asarray(value.toarray() if hasattr(value, "toarray") else value)
            if array.dtype.kind not in "biuf":
                if array.dtype.kind != "O" or not array.ndim:  # words, dates, None, an object
                    raise TypeError
                array = array.astype(np.float64)
            kind = np.float64 if array.dtype.kind == "f" else np.int64
            found = torch.tensor(array if array.dtype == bool else array.astype(kind))
        except (TypeError, ValueError, RuntimeError, AttributeError):
            raise UsageError(
                f"{name} is {_kind(value)}; use a tensor, an array or a list of numbers, all rows "
                "of one length."
            ) from None
    if found.is_complex():
        raise UsageError(f"{name} holds complex numbers; use real ones.")
    return found


def _kind(value: Any) -> str:
    kind = type(value).__name__
    several = isinstance(value, (list, tuple)) and value
    return f"a {kind} of {type(value[0]).__name__}" if several else f"a {kind}"


def _fits(found: Tensor, shape: Sequence[int | None], rows: int | None, least: int) -> bool:
    if found.ndim != len(shape) + 1 or len(found) < least or rows not in (None, len(found)):
        return False
    return all(n in (None, m) for n, m in zip(shape, found.shape[1:], strict=True))


def _usable(found: Tensor) -> Tensor:
    """A tensor that may enter a graph, as one made in `torch.inference_mode()` may not."""
    return found.clone() if found.is_inference() else found
