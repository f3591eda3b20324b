"""Clipping of the gradient by x that a chain follows, within the energy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["clipped"]


def clipped(z: Tensor, most: float) -> Tensor:
    """z (B, d) itself, whose gradient is cut to a largest norm in each row; all where `most` is 0.

    What a chain then follows is no gradient of a density where it is cut (Du and Mordatch, NeurIPS
    2019, arXiv 1903.08689, cut each pixel's).
    """
    if not most:
        return z
    found: Tensor = _Clipped.apply(z, most)  # type: ignore[no-untyped-call]
    return found


class _Clipped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, most: float) -> Tensor:
        ctx.most = most
        return z.view_as(z)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        norm = gradient.norm(dim=-1, keepdim=True)
        return gradient * (ctx.most / norm.clamp(min=1e-12)).clamp(max=1.0), None
