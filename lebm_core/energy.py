"""The network F: z (and a context) -> C logits, with its gradient in closed form.

A chain needs the gradient of f = logsumexp F at every step and nothing else. Written out, it costs
one forward and one backward matrix product a layer and no graph, which is what makes a prior chain
cheap on a CPU and launch-light on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from lebm_core.errors import UsageError, did_you_mean

__all__ = ["ACTIVATIONS", "Energy"]

LEAK = 0.2
WIDE = 64  # narrower products are no faster in bfloat16
HalfWeights = list[Tensor | None]


class _Activation(NamedTuple):
    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]  # (gradient, input) -> gradient


def _tanh_backward(gradient: Tensor, x: Tensor) -> Tensor:
    return gradient * (1 - x.tanh().square())


_ops = torch.ops.aten
ACTIVATIONS = {
    "gelu": _Activation(nn.functional.gelu, _ops.gelu_backward),
    "silu": _Activation(nn.functional.silu, _ops.silu_backward),
    "leaky_relu": _Activation(
        lambda x: nn.functional.leaky_relu(x, LEAK),
        lambda g, x: _ops.leaky_relu_backward(g, x, LEAK, False),
    ),
    "tanh": _Activation(torch.tanh, _tanh_backward),
}


class Energy(nn.Module):
    """A multilayer perceptron from z (B, d) and a context (B, c) to logits (B, C).

    Args:
        latent_dim: d.
        hidden: widths of the hidden layers.
        activation: one of `ACTIVATIONS`.
        outputs: C.
        context_dim: c; 0 for none.
        zero_output: start with F = 0, so that the tilt starts as none.

    Raises:
        UsageError: for an unknown activation or a width below 1.
    """

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (200, 200),
        activation: str = "gelu",
        outputs: int = 1,
        context_dim: int = 0,
        zero_output: bool = False,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise UsageError(
                f'Unknown activation "{activation}": accepted are {", ".join(ACTIVATIONS)}.'
                + did_you_mean(activation, ACTIVATIONS)
            )
        if any(width < 1 for width in hidden):
            raise UsageError(f"Widths of hidden layers must be at least 1, not {list(hidden)}.")
        self.latent_dim = latent_dim
        self.activation = activation
        widths = [latent_dim + context_dim, *hidden, outputs]
        pairs = zip(widths, widths[1:], strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        if zero_output:
            nn.init.zeros_(self.layers[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.layers[-1].bias)  # type: ignore[arg-type]

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The logits F(z), (B, C)."""
        act = ACTIVATIONS[self.activation].value
        h = z if context is None else torch.cat([z, context], dim=-1)
        *inner, last = self.layers
        for layer in inner:
            h = act(layer(h))
        return last(h)  # type: ignore[no-any-return]

    def half_weights(self) -> HalfWeights:
        """bfloat16 copies of the weights of wide hidden layers; None for the narrow ones."""
        wide = [min(layer.weight.shape) >= WIDE for layer in self.layers[:-1]]  # type: ignore[arg-type]
        return [
            layer.weight.detach().to(torch.bfloat16) if good else None  # type: ignore[operator]
            for layer, good in zip(self.layers, wide, strict=False)
        ]

    def value_and_pullback(
        self, z: Tensor, context: Tensor | None = None, half: HalfWeights | None = None
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """F(z), (B, C), and the map from dL/dF, (B, C), to dL/dz, (B, d). Builds no graph.

        `half` (see `half_weights`) multiplies the wide layers in bfloat16: the gradient is then
        off by about 0.3 %, far below a chain's own discretisation.
        """
        act, back = ACTIVATIONS[self.activation]
        with torch.no_grad():
            h = z if context is None else torch.cat([z, context], dim=-1)
            *inner, last = cast(list[nn.Linear], list(self.layers))
            before: list[Tensor] = []
            low = half or [None] * len(inner)
            for layer, w in zip(inner, low, strict=True):
                x = layer(h) if w is None else (h.to(w.dtype) @ w.T).to(h.dtype) + layer.bias
                before.append(x)
                h = act(x)
            logits: Tensor = last(h)

        def pullback(gradient: Tensor) -> Tensor:
            with torch.no_grad():
                g = gradient @ last.weight
                for layer, x, w in zip(inner[::-1], before[::-1], low[::-1], strict=True):
                    g = back(g, x)
                    g = g @ layer.weight if w is None else (g.to(w.dtype) @ w).to(g.dtype)
                return g[:, : self.latent_dim]

        return logits, pullback
