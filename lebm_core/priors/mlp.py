"""A perceptron as energy network, with its gradient in closed form.

A chain needs the gradient of f = logsumexp F at every step and nothing else. Written out, it costs
one forward and one backward matrix product a layer and no graph, which is what makes a prior chain
cheap on a CPU and launch-light on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from lebm_core.base.checks import choice, positive, whole, widths
from lebm_core.priors.energy import Affine, Energy, Pullback

__all__ = ["ACTIVATIONS", "LEAK", "MLP"]

LEAK = 0.2
HALF_PAYS = 1_500_000  # multiplications; a smaller product is slower in bfloat16 on a CPU


class _Activation(NamedTuple):
    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]  # (gradient, input) -> gradient of the input


_ops = torch.ops.aten
ACTIVATIONS = {
    "gelu": _Activation(nn.functional.gelu, _ops.gelu_backward),
    "silu": _Activation(nn.functional.silu, _ops.silu_backward),
    "leaky_relu": _Activation(
        lambda x: nn.functional.leaky_relu(x, LEAK),
        lambda g, x: _ops.leaky_relu_backward(g, x, LEAK, False),
    ),
    "tanh": _Activation(torch.tanh, lambda g, x: _ops.tanh_backward(g, x.tanh())),
}


class MLP(Energy):
    """A multilayer perceptron from z (B, d) and a context (B, c) to logits (B, C).

    Args:
        latent_dim: d.
        hidden: widths of the hidden layers.
        activation: gelu, leaky_relu, silu or tanh.
        outputs: C.
        context_dim: c; 0 for none.
        sharpness: factor of the first layer's weights and biases as they are drawn; 4 suits data
            with structure of a tenth of their spread (Sitzmann et al. 2020, arXiv 2006.09661)

    Raises:
        UsageError: for an unknown activation, a width below 1 or a sharpness of 0 or less.
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        hidden: Sequence[int] = (200, 200),
        activation: Literal["gelu", "leaky_relu", "silu", "tanh"] = "gelu",
        outputs: int = 1,
        context_dim: int = 0,
        sharpness: float = 1.0,
    ) -> None:
        super().__init__()
        choice("energy.activation", activation, ACTIVATIONS)
        widths("energy.hidden", hidden)
        whole("energy.latent_dim", latent_dim)
        whole("energy.outputs", outputs, 1)
        whole("energy.context_dim", context_dim)
        positive("energy.sharpness", sharpness)
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.activation, self.sharpness = activation, sharpness
        sizes = [latent_dim + context_dim, *hidden, outputs]
        pairs = zip(sizes, sizes[1:], strict=False)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairs)
        self.zero_output = False
        self._sharpen()

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights again, in place, as a new network has them."""
        for layer in cast(list[nn.Linear], list(self.layers)):
            within = layer.in_features**-0.5  # torch's own, which takes no generator
            nn.init.uniform_(layer.weight, -within, within, generator)
            nn.init.uniform_(layer.bias, -within, within, generator)
        self._sharpen()
        if self.zero_output:
            self.start_at_zero()

    @torch.no_grad()
    def _sharpen(self) -> None:
        for p in self.layers[0].parameters():
            p.mul_(self.sharpness)

    def start_at_zero(self) -> None:
        """Make F = 0 by zeroing the last layer, now and after `reset`."""
        self.zero_output = True
        super().start_at_zero()

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The logits F(z), (B, C)."""
        act = ACTIVATIONS[self.activation].value
        h = z if context is None else torch.cat([z, context], dim=-1)
        *inner, last = self.layers
        for layer in inner:
            h = act(layer(h))
        return last(h)  # type: ignore[no-any-return]

    def affine(self, half_rows: int = 0) -> list[Affine]:
        """The layers as (weight, weight^T, bias), detached.

        Given the rows of the batches to come, those whose products are faster in bfloat16 are
        rounded to it; they are copies, the others share memory with the parameters.
        """
        found = []
        for layer in cast(list[nn.Linear], list(self.layers)):
            w, b = layer.weight.detach(), layer.bias.detach()
            if len(b) > 1 and half_rows * w.numel() >= HALF_PAYS:
                w, b = w.to(torch.bfloat16), b.to(torch.bfloat16)
                found.append(Affine(w, w.T.contiguous(), b))
            else:
                found.append(Affine(w, w.T, b))
        last = found[-1]
        if len(found) > 1:  # the gradient enters the layer below in that layer's precision
            last = last._replace(weight=last.weight.to(found[-2].bias.dtype))
        return [*found[:-1], last]

    def value_and_pullback(
        self,
        z: Tensor,
        context: Tensor | None = None,
        layers: list[Affine] | None = None,
        scale: float = 1.0,
    ) -> tuple[Tensor, Pullback]:
        """scale * F(z), (B, C), and the way back from dL/dF to dL/dz, see `Pullback`; no graph.

        `layers` are `affine()` by default. With `affine(half_rows)` the gradient is off by about
        0.3 %, far below a chain's own discretisation. In small batches the number of operations
        is the cost, hence products that scale and add.
        """
        act, backward = ACTIVATIONS[self.activation]
        *inner, last = self.affine() if layers is None else layers
        h = z.detach() if context is None else torch.cat([z, context], dim=-1).detach()
        before: list[Tensor] = []
        for layer in inner:
            x = torch.addmm(layer.bias, h.to(layer.bias.dtype), layer.transposed)
            before.append(x)
            h = act(x)
        h = h.to(last.bias.dtype)
        logits = torch.addmm(last.bias, h, last.transposed, beta=scale, alpha=scale).to(z.dtype)
        alone = last.bias.shape[0] == 1  # the gradient of one logit, and dL/dF a factor in the end

        def pullback(gradient: Tensor, base: Tensor, share: float = 1.0) -> Tensor:
            if alone:
                g = last.weight.expand(logits.shape[0], -1)
            else:
                g = torch.mm(gradient.to(last.weight.dtype), last.weight)
            for layer, x in zip(inner[::-1], before[::-1], strict=True):
                g = torch.mm(backward(g.to(x.dtype), x), layer.weight)
            back = (g if context is None else g[:, : self.latent_dim]).to(base.dtype)
            return torch.add(back * gradient if alone else back, base, alpha=share)

        return logits, pullback
