"""Recurrent networks differentiated by hand, for the input shift and the first state alone.

In a posterior chain the weights are fixed and only z changes. Autograd would keep a graph of a
dozen nodes a step; these functions keep the gates and go back through them in one loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lebm_core.base.products import FixedLinear

__all__ = ["gru_states", "lstm_states"]


def lstm_states(
    gates: Tensor,
    shift: Tensor,
    every: int,
    first: Sequence[Tensor],
    recurrence: FixedLinear,
    bias: Tensor,
) -> Tensor:
    """Return all states h of an LSTM, (T, B, H).

    Args:
        gates: (T, B, 4H) input gates i, f, g, o without z; takes no gradient.
        shift: (S, B, 4H) the contributions of S codes, one after another.
        every: steps after which the next of them enters; the last one stays.
        first: h and c before the first step, each (B, H).
        recurrence: of the recurrent weight (4H, H), which takes no gradient.
        bias: (4H,).
    """
    out: Tensor = _LSTM.apply(gates, shift + bias, every, *first, recurrence)  # type: ignore[no-untyped-call]
    return out


def gru_states(
    gates: Tensor,
    shift: Tensor,
    every: int,
    first: Sequence[Tensor],
    recurrence: FixedLinear,
    bias: Tensor,
) -> Tensor:
    """Return all states h of a GRU, (T, B, H); gates r, z, n are (T, B, 3H), see `lstm_states`."""
    out: Tensor = _GRU.apply(gates, shift, every, first[0], recurrence, bias)  # type: ignore[no-untyped-call]
    return out


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        shifts: Tensor,
        every: int,
        h: Tensor,
        c: Tensor,
        recurrence: FixedLinear,
    ) -> Tensor:
        up, dtype = recurrence.up, recurrence.dtype
        size = h.shape[1]
        kept, out = [], []
        places = _places(len(gates), len(shifts), every)
        for gate, place in zip(gates, places, strict=True):
            shift = shifts[place]
            a = gate + shift + up(h.to(dtype))
            inner = a[:, 2 * size : 3 * size].tanh()
            a.sigmoid_()
            i, f, o = a[:, :size], a[:, size : 2 * size], a[:, 3 * size :]
            before = c
            c = torch.addcmul(f * c, i, inner)
            top = c.tanh()
            h = o * top
            kept.append((a, inner, before, top))
            out.append(h)
        ctx.kept, ctx.recurrence, ctx.size = kept, recurrence, size
        ctx.places, ctx.codes = places, len(shifts)
        return torch.stack(out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (_, down, dtype), n = ctx.recurrence, ctx.size
        dh = torch.zeros_like(gradient[0])
        dc = torch.zeros_like(dh)
        d_shift = gradient.new_zeros(ctx.codes, len(dh), 4 * n)
        d = torch.empty_like(d_shift[0])
        for (a, inner, before, top), above, place in zip(
            reversed(ctx.kept), reversed(gradient.unbind(0)), reversed(ctx.places), strict=True
        ):
            i, f, o = a[:, :n], a[:, n : 2 * n], a[:, 3 * n :]
            dh = dh + above
            dc = torch.addcmul(dc, dh * o, 1 - top * top)
            torch.mul(dc * inner, i * (1 - i), out=d[:, :n])
            torch.mul(dc * before, f * (1 - f), out=d[:, n : 2 * n])
            torch.mul(dc * i, 1 - inner * inner, out=d[:, 2 * n : 3 * n])
            torch.mul(dh * top, o * (1 - o), out=d[:, 3 * n :])
            d_shift[place] += d
            dc = dc * f
            dh = down(d.to(dtype)).to(d.dtype)
        ctx.kept = None
        return None, d_shift, None, dh, dc, None


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        gates: Tensor,
        shifts: Tensor,
        every: int,
        h: Tensor,
        recurrence: FixedLinear,
        bias: Tensor,
    ) -> Tensor:
        up, dtype = recurrence.up, recurrence.dtype
        size = h.shape[1]
        kept, out = [], []
        places = _places(len(gates), len(shifts), every)
        for gate, place in zip(gates, places, strict=True):
            shift = shifts[place]
            a = gate + shift
            b = up(h.to(dtype)).to(a.dtype) + bias
            rz = (a[:, : 2 * size] + b[:, : 2 * size]).sigmoid_()
            r, u = rz[:, :size], rz[:, size:]
            tail = b[:, 2 * size :]
            inner = torch.addcmul(a[:, 2 * size :], r, tail).tanh_()
            before = h
            h = torch.lerp(inner, before, u)
            kept.append((rz, inner, tail, before))
            out.append(h)
        ctx.kept, ctx.recurrence, ctx.size = kept, recurrence, size
        ctx.places, ctx.codes = places, len(shifts)
        return torch.stack(out)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (_, down, dtype), n = ctx.recurrence, ctx.size
        dh = torch.zeros_like(gradient[0])
        d_shift = gradient.new_zeros(ctx.codes, len(dh), 3 * n)
        d = torch.empty_like(d_shift[0])  # of the recurrent share; r is a factor of its last third
        for (rz, inner, tail, before), above, place in zip(
            reversed(ctx.kept), reversed(gradient.unbind(0)), reversed(ctx.places), strict=True
        ):
            r, u = rz[:, :n], rz[:, n:]
            dh = dh + above
            d_inner = dh * (1 - u) * (1 - inner * inner)
            torch.mul(d_inner * tail, r * (1 - r), out=d[:, :n])
            torch.mul(dh * (before - inner), u * (1 - u), out=d[:, n : 2 * n])
            torch.mul(d_inner, r, out=d[:, 2 * n :])
            d_shift[place, :, : 2 * n] += d[:, : 2 * n]
            d_shift[place, :, 2 * n :] += d_inner
            dh = torch.addcmul(down(d.to(dtype)).to(d.dtype), dh, u)
        ctx.kept = None
        return None, d_shift, None, dh, None, None


def _places(steps: int, codes: int, every: int) -> list[int]:
    """Index of the active code at each step."""
    return [min(step // every, codes - 1) for step in range(steps)]
