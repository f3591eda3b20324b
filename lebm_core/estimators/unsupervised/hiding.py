"""An encoder that learns to do without values: in training some of x are hidden from it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.data.dataset import BatchSource
from lebm_core.latent.encoder import Encoder

__all__ = ["HidingEncoder"]


class HidingEncoder(Encoder):
    """q(z | x with more values missing): the bound of log p(x) holds with any q.

    So that it answers for patterns of missing values that the training does not have. Source:
    Ivanov et al., ICLR 2019, arXiv 1806.02382 (a variational autoencoder with arbitrary
    conditioning).

    Args:
        encoder: takes NaN as a missing value.
        share: of the known values that are hidden at each visit, from a uniform draw of [0, share]
            for each row; outside of training nothing is.
    """

    def __init__(self, encoder: Encoder, share: float) -> None:
        super().__init__()
        self.encoder, self.share, self.latent_dim = encoder, share, encoder.latent_dim

    def initialise(self, dataset: BatchSource) -> None:
        self.encoder.initialise(dataset)

    def forward(self, x: Any, context: Tensor | None = None) -> Independent[Normal]:
        if self.training and self.share:
            most = self.share * torch.rand(len(x), 1, device=x.device)
            x = torch.where(torch.rand_like(x) < most, torch.nan, x)
        found: Independent[Normal] = self.encoder(x, context)
        return found
