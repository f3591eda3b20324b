"""Flows of z by zuko: u = T(z) with u ~ N(0, I)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
import zuko
from torch import Tensor, nn
from zuko.transforms import AdditiveTransform

from lebm_core.base.checks import choice, whole, widths
from lebm_core.base.randomness import standard_normal

__all__ = ["Flow", "FlowKind"]

FlowKind = Literal[
    "additive-coupling",
    "affine-coupling",
    "spline-coupling",
    "affine-autoregressive",
    "spline-autoregressive",
]
BINS = 8  # of a spline, on [-5, 5] in the units of its input


class Flow(nn.Module):
    """A normalizing flow, the identity before it is trained; log q(z) = log N(T(z)) + log |dT/dz|.

    First z is scaled and shifted, by learned numbers; a spline changes only what then lies within
    5 standard deviations, and additive transforms change no volume.

    Args:
        kind: see `FlowPrior`.
        latent_dim: dimension d of z.
        context_dim: features of a context; 0 for none.
        transforms: how many follow one another, each with the order of dimensions turned round.
        hidden: widths of the network of each.

    Raises:
        UsageError: for an unknown kind or sizes that are not possible.
    """

    def __init__(
        self,
        kind: FlowKind,
        latent_dim: int,
        context_dim: int,
        transforms: int,
        hidden: Sequence[int],
    ) -> None:
        super().__init__()
        choice("prior.kind", kind, get_args(FlowKind))
        whole("prior.transforms", transforms, 1, 1000)
        widths("prior.hidden", hidden, 1)
        sizes: dict[str, Any] = {"hidden_features": list(hidden), "transforms": transforms}
        if kind.endswith("coupling"):
            sizes["passes"] = 2
        if kind.startswith("spline"):
            made = zuko.flows.NSF(latent_dim, context_dim, bins=BINS, **sizes, activation=nn.SiLU)
        else:
            if kind.startswith("additive"):
                sizes |= {"univariate": AdditiveTransform, "shapes": [()]}
            made = zuko.flows.MAF(latent_dim, context_dim, **sizes, activation=nn.SiLU)
        self.transforms = made.transform
        self.shift = nn.Parameter(torch.zeros(latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(latent_dim))
        self.latent_dim = latent_dim
        self._start()

    def _start(self) -> None:
        """Zero the last layer of each network: then every transform is the identity."""
        for module in self.transforms.modules():
            if isinstance(module, nn.Sequential):
                last = [each for each in module if isinstance(each, nn.Linear)][-1]
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)
            elif isinstance(module, nn.ParameterList):  # of one dimension: numbers, no network
                for parameter in module:
                    nn.init.zeros_(parameter)

    def log_prob(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """log q(z), (B,), in nats."""
        standard = (z - self.shift) * (-self.log_scale).exp()
        u, ladj = self.transforms(context).call_and_ladj(standard)
        constant = 0.5 * self.latent_dim * torch.log(torch.tensor(2 * torch.pi))
        value: Tensor = ladj - 0.5 * u.square().sum(-1) - constant - self.log_scale.sum()
        return value

    def draw(
        self, n: int, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """n draws, (n, d); a gradient reaches the weights through them."""
        u = standard_normal((n, self.latent_dim), self.shift, generator)
        z: Tensor = self.transforms(context).inv(u)
        return self.shift + self.log_scale.exp() * z
