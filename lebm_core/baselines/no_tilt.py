"""The rule that trains no tilt: a coupled prior only classifies codes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.rules import TiltLoss
from lebm_core.priors.base import Prior

__all__ = ["NoTilt"]


class NoTilt:
    """The tilt learns nothing: a coupled prior's logits are then a classifier of codes, no more."""

    def __init__(self, options: LearningOptions) -> None:
        if options.decoder != "variational" or options.encoder_tilt:
            raise UsageError(
                'learning.tilt = "none" needs learning.decoder = "variational" and '
                "learning.encoder_tilt = 0: nothing else may look at f."
            )

    def __call__(
        self,
        prior: Prior,
        codes: Tensor,
        context: Tensor | None,
        progress: float,
        generator: torch.Generator | None,
    ) -> TiltLoss:
        return TiltLoss(codes.new_zeros(()), {})

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """There is no state."""
