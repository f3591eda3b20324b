"""One fused Langevin step on a tilt of one logit, in as few calls as torch has for it.

In small batches a chain costs calls and memory, not arithmetic, so gradient and step are one
straight line here, into buffers: the same numbers as `TiltTarget.gradient` and a step of `langevin`
by it, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lebm_core.priors.energy import Affine
from lebm_core.priors.mlp import LEAK

__all__ = ["FusedLangevinStep"]

_ops = torch.ops.aten
# (x, out) -> out, and (gradient, x, grad_input) -> grad_input, the gradient of x
_ACTIVATIONS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "gelu": (_ops.gelu.out, _ops.gelu_backward.grad_input),
    "silu": (_ops.silu.out, _ops.silu_backward.grad_input),
    "leaky_relu": (
        lambda x, out: _ops.leaky_relu.out(x, LEAK, out=out),
        lambda g, x, grad_input: _ops.leaky_relu_backward.grad_input(
            g, x, LEAK, False, grad_input=grad_input
        ),
    ),
    "tanh": (
        torch.tanh,
        lambda g, x, grad_input: _ops.tanh_backward.grad_input(g, x.tanh(), grad_input=grad_input),
    ),
}


class _Hidden(NamedTuple):
    """A hidden layer and its buffers, (rows, width in) or (rows, width out)."""

    bias: Tensor  # (width out,) or (rows, width out)
    transposed: Tensor
    weight: Tensor
    seen: Tensor  # what it sees, in its own precision
    x: Tensor
    h: Tensor
    gradient: Tensor  # of x
    back: Tensor  # of what it sees


class FusedLangevinStep:
    """z -> z + half * grad(f + log p0)(z) + noise, for f = C tanh(F/C) of a single logit F.

    Args:
        layers: of the network, at least two, see `Energy.affine`; the first one's bias may be
            (rows, width), another for each state.
        activation: one of `ACTIVATIONS`.
        bound: C, or None where f = F.
        precision: of a Gaussian p0; 0 where p0 is uniform.
        half: s^2 / 2.
        rows: B.
    """

    def __init__(
        self,
        layers: Sequence[Affine],
        activation: str,
        bound: float | None,
        precision: float,
        half: float,
        rows: int,
    ) -> None:
        *inner, last = layers
        self.act, self.into = _ACTIVATIONS[activation]
        self.half, self.shrink = half, 1 - half * precision
        self.hidden = []
        for w, transposed, bias in inner:
            seen, back = (bias.new_empty(rows, w.shape[1]) for _ in range(2))
            x, h, gradient = (bias.new_empty(rows, w.shape[0]) for _ in range(3))
            self.hidden.append(_Hidden(bias, transposed, w, seen, x, h, gradient, back))
        self.upward = self.hidden[::-1]
        self.top = last.weight.expand(rows, -1).contiguous()  # dF/dh, a row for each z
        self.bounded = bound is not None
        if bound is not None:
            self.logit, self.offset = last.transposed[:, 0] / bound, last.bias / bound
            self.seen = self.logit.new_empty(rows, len(self.logit))
            self.one, self.level = self.logit.new_ones(1), self.logit.new_empty(rows)

    def __call__(self, z: Tensor, noise: Tensor | None) -> Tensor:
        """The next state, (B, d); `noise` is the noise s tau eps, or None."""
        h = z
        for layer in self.hidden:
            if h.dtype != layer.x.dtype:
                h = layer.seen.copy_(h)
            torch.addmm(layer.bias, h, layer.transposed, out=layer.x)
            h = self.act(layer.x, out=layer.h)
        g = self.top
        for layer in self.upward:
            if g.dtype != layer.x.dtype:
                g = layer.gradient.copy_(g)
            self.into(g, layer.x, grad_input=layer.gradient)
            g = torch.mm(layer.gradient, layer.weight, out=layer.back)
        if g.dtype != z.dtype:
            g = g.to(z.dtype)
        rest = z * self.shrink if noise is None else torch.add(noise, z, alpha=self.shrink)
        if not self.bounded:
            return rest.add_(g, alpha=self.half)
        if h.dtype != self.logit.dtype:
            h = self.seen.copy_(h)
        level = torch.mv(h, self.logit, out=self.level).add_(self.offset).tanh_()
        slope = _ops.tanh_backward(self.one, level)  # 1 - tanh^2
        return rest.addcmul_(g, slope[:, None], value=self.half)
