"""Many products by one matrix that is not learned meanwhile: it is laid out for them once.

oneDNN lays a bfloat16 matrix out anew at each product. With tens of rows that takes as long as a
third of the product itself (docs/results/speed.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.base.precision import half_is_faster

__all__ = ["FixedLinear", "Product", "can_lay_out"]

Product = Callable[[Tensor], Tensor]


def can_lay_out(weight: Tensor) -> bool:
    """Whether this machine's products by the weight have a layout of their own.

    The operations are those that torch.compile calls; not every build of torch has them.
    """
    return (
        weight.dtype == torch.bfloat16
        and weight.device.type == "cpu"
        and half_is_faster("cpu")
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


class FixedLinear(NamedTuple):
    """A linear map whose weight (m, n) no step of a chain changes.

    Attributes:
        up: x (B, n) -> x weight^T + bias, (B, m).
        down: d (B, m) -> d weight, (B, n).
        dtype: of x and d.
    """

    up: Product
    down: Product
    dtype: torch.dtype

    @classmethod
    def of(
        cls, weight: Tensor, rows: int, half: bool = False, bias: Tensor | None = None
    ) -> FixedLinear:
        """That of so many rows at once; others are multiplied too, but slower.

        Args:
            weight: (m, n).
            rows: B.
            half: multiply in bfloat16, otherwise in the weight's own precision.
            bias: (m,).
        """
        w = weight.detach().to(torch.bfloat16 if half else weight.dtype)
        b = None if bias is None else bias.detach().to(w.dtype)
        return cls(_product(w, rows, b), _product(w.T, rows), w.dtype)


def _product(weight: Tensor, rows: int, bias: Tensor | None = None) -> Product:
    """x -> x weight^T + bias."""
    if can_lay_out(weight):
        linear = torch.ops.mkldnn._linear_pointwise
        laid_out = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
        return lambda x: linear(x, laid_out, bias, "none", [], "")
    transposed = weight.T
    if bias is None:
        return lambda x: x @ transposed
    return lambda x: torch.addmm(bias, x, transposed)
