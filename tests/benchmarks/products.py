"""The matrix products within a piece of work, and what they alone take at the machine's peak.

A dispatch mode notes the kind, shapes, strides and types of every product and convolution of one
run; each is then timed by itself on random numbers of the same layout. Their sum is the least time
in which this machine's library does the products of the work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lebm_core.chains import blocks

__all__ = ["least_of_products"]

_aten = torch.ops.aten
PRODUCTS = {
    _aten.mm, _aten.addmm, _aten.bmm, _aten.baddbmm, _aten.mv, _aten.addmv, _aten.convolution,
    _aten.convolution_backward, _aten.mkldnn_rnn_layer, _aten.mkldnn_rnn_layer_backward,
    _aten._cudnn_rnn, _aten._cudnn_rnn_backward, torch.ops.mkldnn._linear_pointwise,
}  # fmt: skip
LASTING = 0.02  # seconds for which each product is repeated


class _Layout(tuple[Any, ...]):
    """Shape, strides, type and device of a tensor."""


class _Noted(TorchDispatchMode):
    """Counts the products that are done in its scope."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if func.overloadpacket in PRODUCTS:
            named = tuple((key, _layout(value)) for key, value in given.items())
            self.counts[(func, _layout(tuple(args)), named)] += 1
        return func(*args, **given)


def _layout(value: Any) -> Any:
    if isinstance(value, Tensor) and value.is_mkldnn:  # laid out already, and not to be described
        return value
    if isinstance(value, Tensor):
        return _Layout((tuple(value.shape), value.stride(), value.dtype, value.device))
    if isinstance(value, (list, tuple)):
        return tuple(map(_layout, value))
    return value


def _made(layout: Any) -> Any:
    if isinstance(layout, _Layout):
        shape, stride, dtype, device = layout
        held = 1 + sum((n - 1) * step for n, step in zip(shape, stride, strict=True))
        numbers = torch.empty(max(0, held), dtype=dtype, device=device)
        numbers = numbers.normal_(std=0.1) if dtype.is_floating_point else numbers.zero_()
        return numbers.as_strided(shape, stride)
    if isinstance(layout, tuple):
        return [_made(each) for each in layout]
    return layout


def least_of_products(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Milliseconds that the products of a piece of work take by themselves.

    Args:
        work: runs once to be noted.
        clock: in seconds.
    """
    with _Noted() as noted, mock.patch.object(blocks, "recorder_for", return_value=None):
        work()  # launch by launch: within a graph that is replayed nothing would be noted
    total = 0.0
    for (func, positional, named), count in noted.counts.items():
        args, given = _made(positional), {key: _made(value) for key, value in named}
        with torch.no_grad():
            func(*args, **given)
            least = _least(lambda func=func, args=args, given=given: func(*args, **given), clock)
        total += 1e3 * count * least
    return total


def _least(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least time of work that is repeated for a while, three times at least."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < LASTING:
        began = clock()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(clock() - began)
    return min(times)
