"""One Langevin step on a tilt of one logit, in as few calls as torch has for it.

In small batches a chain costs calls and not arithmetic, so gradient and step are one straight line
here: the same numbers as `TiltTarget.gradient` and a step of `langevin` by it, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lebm_core.energy import ACTIVATIONS, LEAK, Affine

__all__ = ["Leap"]

_ops = torch.ops.aten
# (gradient, input) -> gradient of the input, written into `grad_input`
_INTO: dict[str, Callable[..., Tensor]] = {
    "gelu": _ops.gelu_backward.grad_input,
    "silu": _ops.silu_backward.grad_input,
    "leaky_relu": lambda g, x, grad_input: _ops.leaky_relu_backward.grad_input(
        g, x, LEAK, False, grad_input=grad_input
    ),
    "tanh": lambda g, x, grad_input: _ops.tanh_backward.grad_input(
        g, x.tanh(), grad_input=grad_input
    ),
}


class Leap:
    """z -> z + half * grad(f + log p0)(z) + push, for f = C tanh(F/C) of a single logit F.

    Args:
        layers: of the network, see `Energy.affine`.
        activation: one of `ACTIVATIONS`.
        bound: C, or None where f = F.
        precision: of a Gaussian p0; 0 where p0 is uniform.
        half: s^2 / 2.
        rows: of the batches to come.
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
        *self.inner, last = layers
        self.act, self.into = ACTIVATIONS[activation].value, _INTO[activation]
        self.half, self.shrink = half, 1 - half * precision
        self.bounded = bound is not None
        if bound is not None:
            self.logit, self.offset = last.transposed[:, 0] / bound, last.bias / bound
            self.one = self.offset.new_ones(1)
        self.top = last.weight.expand(rows, -1).contiguous()  # dF/dh, a row for each z
        self.buffer = torch.empty_like(self.top)

    def __call__(self, z: Tensor, push: Tensor | None) -> Tensor:
        """The next state, (B, d); `push` is the noise s tau eps, or None."""
        h = z
        before = []
        for layer in self.inner:
            if h.dtype != layer.bias.dtype:
                h = h.to(layer.bias.dtype)
            x = torch.addmm(layer.bias, h, layer.transposed)
            before.append(x)
            h = self.act(x)
        g, into = self.top, self.buffer
        for layer, x in zip(reversed(self.inner), reversed(before), strict=True):
            if g.dtype != x.dtype:
                into = g = g.to(x.dtype)
            g = into = torch.mm(self.into(g, x, grad_input=into), layer.weight)
        if g.dtype != z.dtype:
            g = g.to(z.dtype)
        rest = z * self.shrink if push is None else torch.add(push, z, alpha=self.shrink)
        if not self.bounded:
            return rest.add_(g, alpha=self.half)
        level = torch.mv(h.to(self.logit.dtype), self.logit).add_(self.offset).tanh_()
        slope = _ops.tanh_backward(self.one, level)  # 1 - tanh^2
        return rest.addcmul_(g, slope[:, None], value=self.half)
