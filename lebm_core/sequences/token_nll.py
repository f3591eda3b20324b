"""Negative log-likelihood of tokens under a linear softmax layer, in cache-sized pieces.

The vocabulary projection is most of the work of a model with many tokens. In bfloat16 its matrix
products are several times faster on a CPU; the softmax is taken in float32 piece by piece, so that
the logits of a whole batch are never in memory as float32, and the backward pass computes only the
gradients that are needed: a chain needs none of the weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lebm_core.base.products import FixedLinear, Product

__all__ = ["fixed_vocabulary", "token_nll"]

PIECE = 256  # rows at once: 256 x 10,000 logits fit into a CPU's last cache


def token_nll(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    targets: Tensor,
    *,
    half: bool = True,
    fixed: FixedLinear | None = None,
) -> Tensor:
    """Return -log softmax(hidden weight^T + bias)[targets], (N,) float32.

    Args:
        hidden: (N, E).
        weight: (V, E).
        bias: (V,).
        targets: (N,) ids below V.
        half: multiply in bfloat16; the error of a token's value is then about 0.4 %, that of the
            mean over a batch far less. Reported values are computed with half=False.
        fixed: the products of weight and bias, from `fixed_vocabulary`; they are then not learned.
    """
    if torch.is_grad_enabled():
        nll: Tensor = _TokenNLL.apply(hidden, weight, bias, targets, half, fixed)  # type: ignore[no-untyped-call]
        return nll
    h, w, b, piece = _operands(hidden, weight, bias, half)
    nll = hidden.new_empty(len(h), dtype=torch.float32)
    for rows in range(0, len(h), piece):  # nothing of a piece is kept
        at = slice(rows, rows + piece)
        nll[at] = _softmax(torch.addmm(b, h[at], w.T), targets[at])[0]
    return nll


def fixed_vocabulary(weight: Tensor, bias: Tensor) -> FixedLinear | None:
    """The bfloat16 products of a projection that is not learned in a chain; None where it is."""
    if weight.requires_grad or bias.requires_grad or weight.device.type != "cpu":
        return None
    return FixedLinear.of(weight, PIECE, half=True, bias=bias)


def _operands(
    hidden: Tensor, weight: Tensor, bias: Tensor, half: bool
) -> tuple[Tensor, Tensor, Tensor, int]:
    """The factors in the type in which they are multiplied, and how many rows make a piece."""
    dtype = torch.bfloat16 if half else torch.float32
    piece = PIECE if hidden.device.type == "cpu" else max(1, len(hidden))
    return hidden.to(dtype), weight.to(dtype), bias.to(dtype), piece


def _softmax(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The negative log-likelihood of a piece, its unnormalised probabilities and their sums."""
    wanted = logits.gather(1, targets[:, None]).float()
    top = logits.amax(1, keepdim=True)
    logits.sub_(top).exp_()  # in place: now unnormalised probabilities
    mass = logits.sum(1, dtype=torch.float32)
    return mass.log() + (top.float() - wanted).squeeze(1), logits, mass


class _TokenNLL(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        half: bool,
        fixed: FixedLinear | None,
    ) -> Tensor:
        if fixed is None:
            h, w, b, piece = _operands(hidden, weight, bias, half)
            up: Product = lambda rows: torch.addmm(b, rows, w.T)  # noqa: E731
            ctx.down = lambda d: d @ w
        else:
            h, piece, up, ctx.down = hidden.to(fixed.dtype), PIECE, fixed.up, fixed.down
        nll = hidden.new_empty(len(h), dtype=torch.float32)
        scale = torch.empty_like(nll)
        kept = []
        for rows in range(0, len(h), piece):
            at = slice(rows, rows + piece)
            nll[at], unnormalised, scale[at] = _softmax(up(h[at]), targets[at])
            kept.append(unnormalised)
        ctx.save_for_backward(h, weight, targets, scale, *kept)
        ctx.piece = piece
        return nll

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        h, weight, targets, scale, *kept = ctx.saved_tensors
        need_h, need_w, need_b = ctx.needs_input_grad[:3]
        grad_h = torch.empty_like(h) if need_h else None
        grad_w = torch.zeros_like(weight, dtype=torch.float32) if need_w else None
        grad_b = torch.zeros(len(weight), device=weight.device) if need_b else None
        for i, unnormalised in enumerate(kept):
            at = slice(i * ctx.piece, i * ctx.piece + len(unnormalised))
            g = gradient[at, None]
            d = unnormalised * (g / scale[at, None]).to(h.dtype)
            d.scatter_add_(1, targets[at, None], -g.to(h.dtype))
            if grad_h is not None:
                grad_h[at] = ctx.down(d)
            if grad_w is not None:
                grad_w += d.T @ h[at]
            if grad_b is not None:
                grad_b += d.sum(0, dtype=torch.float32)
        return None if grad_h is None else grad_h.float(), grad_w, grad_b, None, None, None
