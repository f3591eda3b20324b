"""The anomaly score -log p(x, z) with its parts."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.latent.parts import LatentModel

__all__ = ["Score", "score"]


class Score(NamedTuple):
    """-log p(x, z) and its parts, each (B,) in nats; `total` is their sum, up to log Z."""

    total: Tensor
    reconstruction: Tensor  # -log p(x | z)
    tilt: Tensor  # -f(z)
    reference: Tensor  # -log p0(z)


@torch.no_grad()
def score(model: LatentModel, x: Any, z: Tensor, context: Tensor | None = None) -> Score:
    """-log p(x, z), up to log Z; higher is more unusual.

    Args:
        model: the model.
        x: B examples.
        z: (B, d) a code of each.
        context: (B, c), for a conditioned model.

    Raises:
        UnsupportedEstimate: for a prior without a density.
    """
    x, context = model.arguments(x, context)
    tilt = -model.prior.log_tilt(z, None, context)  # first: a prior without one stops here
    with frozen(model.decoder, evaluating=True):
        reconstruction = -model.decoder.likelihood(x, context)(z)
    reference = -model.prior.reference.log_prob(z)
    return Score(reconstruction + tilt + reference, reconstruction, tilt, reference)
