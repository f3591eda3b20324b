"""Prior rule "none": the tilt is not trained, a coupled prior only classifies codes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.base.modules import Configured
from lebm_core.learning.rules import PriorRule, TiltLoss
from lebm_core.priors.base import Prior

__all__ = ["NoTilt"]


class NoTilt(Configured, PriorRule):
    """f learns nothing: the logits of a coupled prior are then a classifier of codes, no more."""

    trains = False

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
        y: Tensor | None = None,
    ) -> TiltLoss:
        return TiltLoss(codes.new_zeros(()), {})
