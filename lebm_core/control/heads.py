"""Property heads: regressions from a code to a property of its example."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.base.checks import whole, widths
from lebm_core.base.modules import Component
from lebm_core.base.networks import mlp
from lebm_core.errors import UsageError

__all__ = ["PropertyHead", "PropertyHeads"]


class PropertyHead(Component):
    """v | z ~ N(mean(z), sigma^2), the mean by a network, sigma constant.

    Args:
        latent_dim: d.
        hidden: widths of the hidden layers.
        context_dim: features of a context that the mean depends on too; 0 for none.
    """

    def __init__(
        self, latent_dim: int, hidden: Sequence[int] = (64, 64), context_dim: int = 0
    ) -> None:
        super().__init__()
        whole("latent_dim", latent_dim, 1)
        whole("context_dim", context_dim)
        widths("hidden", hidden)
        self.context_dim = context_dim
        self.net = mlp([latent_dim + context_dim, *hidden, 1], nn.SiLU)
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("r2", torch.tensor(torch.nan))

    centre: Tensor  # of the values it learned from, in their unit
    scale: Tensor  # their standard deviation
    spread: Tensor  # sigma / scale
    r2: Tensor  # share of the variance explained, of held-out examples

    @property
    def sigma(self) -> float:
        """The standard deviation of a value about its prediction, in the property's unit."""
        return float(self.spread * self.scale)

    def standardised(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The mean in standard deviations from the centre, (B,).

        Raises:
            UsageError: where the head needs a context and there is none.
        """
        if self.context_dim:
            if context is None:
                raise UsageError(
                    f"This property head depends on a context of {self.context_dim} features: pass "
                    "context=(B, c)."
                )
            z = torch.cat([z, context.to(z)], dim=-1)
        mean: Tensor = self.net(z).squeeze(-1)
        return mean

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The mean, (B,), in the property's unit; context is (B, c) where the head needs one."""
        return self.centre + self.scale * self.standardised(z, context)

    def log_density(
        self,
        z: Tensor,
        kind: str,
        value: float | Tensor = 0.0,
        context: Tensor | None = None,
    ) -> Tensor:
        """g(z), (B,), of a `Property` control: kind is one of its five, value one or (B,)."""
        mean = self.standardised(z, context)
        if kind in ("maximise", "minimise"):
            return mean if kind == "maximise" else -mean
        away = ((value - self.centre) / self.scale - mean) / self.spread
        if kind == "target":
            norm = (self.spread * self.scale).log() + 0.5 * math.log(2 * math.pi)
            return -0.5 * away.square() - norm
        log_p: Tensor = torch.special.log_ndtr(-away if kind == "at_least" else away)
        return log_p


class PropertyHeads(nn.ModuleDict):
    """The heads of a model by name, rebuilt from their options.

    Args:
        options: name to the arguments of `PropertyHead`.
    """

    def __init__(self, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        super().__init__({name: PropertyHead(**given) for name, given in (options or {}).items()})

    @property
    def known(self) -> dict[str, PropertyHead]:
        """The heads by name."""
        return dict(self.items())  # type: ignore[arg-type]

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """The argument of `__init__` that makes them again."""
        return {name: dict(head.options) for name, head in self.known.items()}
