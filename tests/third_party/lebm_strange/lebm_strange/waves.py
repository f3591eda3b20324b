"""An energy network of sines, its gradient by autograd (Sitzmann et al. 2020, arXiv 2006.09661)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lebm_core import Energy


class Waves(Energy):
    """F(z) = W sin(A sin(B z)), biases left out of the sentence.

    Args:
        latent_dim: dimension d of z.
        width: of both hidden layers.
        frequency: factor of z before the first sine.
        outputs: C.
        context_dim: features of the context, 0 for none.
    """

    def __init__(
        self,
        latent_dim: int,
        width: int = 32,
        frequency: float = 1.0,
        outputs: int = 1,
        context_dim: int = 0,
    ) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.frequency = frequency
        self.first = nn.Linear(latent_dim + context_dim, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, outputs)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        given = z if context is None else torch.cat([z, context], -1)
        hidden = torch.sin(self.frequency * self.first(given))
        return self.last(torch.sin(self.second(hidden)))
