"""The energy network F: z (and a context) -> C logits; f = logsumexp F."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from lebm_core.base.modules import Component
from lebm_core.base.randomness import fork
from lebm_core.errors import UsageError

__all__ = ["Affine", "Energy", "Pullback"]


class Affine(NamedTuple):
    """One layer of the network, ready for products from either side."""

    weight: Tensor
    transposed: Tensor
    bias: Tensor


class Pullback(Protocol):
    """The way back through the network for one batch of z."""

    def __call__(self, gradient: Tensor, base: Tensor, share: float = 1.0) -> Tensor:
        """share * base + dL/dz, (B, d), for gradient = dL/dF, (B, C)."""


class Energy(Component):
    """F(z), a network from z (B, d) and a context (B, c) to logits (B, C); f = logsumexp F.

    A subclass gives `forward` and sets the three sizes, which its constructor takes by these names.
    What else a chain needs follows by autograd; a closed form is quicker.

    Attributes:
        latent_dim: d.
        outputs: C, 1 for a prior without classes.
        context_dim: c; 0 for none.
        capturable: whether `forward` does the same work each time and looks at no number, so that
            a GPU may repeat it by a captured graph.
    """

    latent_dim: int
    outputs: int
    context_dim: int
    capturable = False

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The logits F(z), (B, C)."""
        raise TypeError(f"{type(self).__name__} defines no forward(z): an energy returns F(z).")

    def reset(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights again, in place, as a new network has them."""
        with fork(generator):
            for module in self.modules():
                reset: Any = getattr(module, "reset_parameters", None)
                if reset is not None and module is not self:
                    reset()

    def start_at_zero(self) -> None:
        """Make F = 0 by zeroing the last linear layer: what a later stage starts from.

        Raises:
            UsageError: where there is no linear layer.
        """
        linear = [module for module in self.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise UsageError(
                f"prior.stages above 1 needs an energy with start_at_zero(): {type(self).__name__} "
                "has no linear layer to zero."
            )
        for p in linear[-1].parameters():
            nn.init.zeros_(p)

    def check_sizes(self, latent_dim: int, outputs: int, context_dim: int) -> None:
        """Refuse a network made for another prior.

        Raises:
            UsageError: naming the size that differs.
        """
        wanted = {"latent_dim": latent_dim, "outputs": outputs, "context_dim": context_dim}
        for name, size in wanted.items():
            own = getattr(self, name, None)
            if own != size:
                raise UsageError(
                    f"The energy {type(self).__name__} has {name} = {own}, the prior needs {size}."
                )

    def affine(self, half_rows: int = 0) -> list[Affine] | None:
        """The layers for products without a graph; None for a network that is no perceptron."""
        return None

    def value_and_pullback(
        self,
        z: Tensor,
        context: Tensor | None = None,
        layers: list[Affine] | None = None,
        scale: float = 1.0,
    ) -> tuple[Tensor, Pullback]:
        """scale * F(z), (B, C), and the way back from dL/dF to dL/dz, see `Pullback`."""
        with torch.inference_mode(False), torch.enable_grad():
            at = z.detach().clone().requires_grad_()  # a chain's own states know no autograd
            logits = self(at, context)

        def pullback(gradient: Tensor, base: Tensor, share: float = 1.0) -> Tensor:
            with torch.inference_mode(False):
                weight = gradient.detach().clone().expand_as(logits)
                (back,) = torch.autograd.grad(logits, at, weight, retain_graph=True)
            return torch.add(back.to(base.dtype), base, alpha=share)

        return scale * logits.detach(), pullback
