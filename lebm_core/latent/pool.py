"""A buffer of recent codes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.checks import whole
from lebm_core.base.randomness import randint

__all__ = ["CodeBuffer"]


class CodeBuffer:
    """The most recent codes: a running draw of the aggregate posterior.

    Args:
        size: how many are kept.
    """

    def __init__(self, size: int = 2000) -> None:
        self.size = whole("size", size)
        self.codes: Tensor | None = None

    def add(self, z: Tensor) -> None:
        """Put codes (B, d) in front and forget the oldest."""
        z = z.detach()
        known = z if self.codes is None else torch.cat([z, self.codes.to(z.device)])
        self.codes = known[: self.size]

    def draw(
        self, n: int, device: torch.device, generator: torch.Generator | None
    ) -> Tensor | None:
        """n codes, with replacement, (n, d) on `device`; None while the buffer is empty."""
        if self.codes is None:
            return None
        return self.codes[randint(len(self.codes), n, self.codes, generator)].to(device)

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self.codes is None else {"codes": self.codes}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.codes = state.get("codes")
