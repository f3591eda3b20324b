"""Inference of one z for each x: the mode of the posterior."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import Batch, Chain, Configured
from lebm_core.base.modules import frozen
from lebm_core.chains.densities import value_and_gradient
from lebm_core.errors import UsageError
from lebm_core.latent.inference import LatentParts, posterior_target


class MAP(Configured):
    """Gradient ascent on log p(z | x) from the encoder's mean, or from 0 without one.

    Args:
        steps: of the ascent.
        lr: learning rate of Adam.
    """

    needs_encoder = False

    def __init__(self, steps: int = 50, lr: float = 0.05) -> None:
        if steps < 0:
            raise UsageError(f"inference.steps = {steps} is not possible; use 0 or more.")
        self.steps, self.lr = steps, lr

    def __call__(
        self,
        model: LatentParts,
        batch: Batch,
        *,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        start = model.prior.draw_reference(len(batch.x), generator) * 0
        if model.encoder is not None:
            with torch.no_grad(), frozen(model.encoder, evaluating=True):
                start = model.encoder(batch.x, batch.context).mean
        with torch.enable_grad(), frozen(model.decoder, model.prior, evaluating=True):
            z = start.clone().requires_grad_()
            adam = torch.optim.Adam([z], self.lr)
            target = posterior_target(model, batch)
            for _ in range(self.steps):
                z.grad = -value_and_gradient(target, z)[1]
                adam.step()
        return z.detach()

    def point(self) -> MAP:
        return self

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Nothing is kept between batches."""
