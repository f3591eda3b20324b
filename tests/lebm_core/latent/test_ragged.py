"""Examples of different lengths: samples of several batches are one batch, padded at the right."""

from __future__ import annotations

import doctest

import pytest
import torch
from torch import Tensor
from torch.distributions import Distribution

import lebm_core.latent.decoder
from lebm_core import Decoder, GaussianPrior, LatentEBM
from lebm_core.base.randomness import randint


class Walks(Distribution):
    """From 1 to 6 steps in the plane, the same number for all of a batch."""

    arg_constraints: dict = {}

    def __init__(self, n: int) -> None:
        super().__init__(batch_shape=(n,), validate_args=False)

    def sample(self, *, generator: torch.Generator | None = None) -> Tensor:
        longest = 1 + int(randint(6, 1, torch.zeros(1), generator))
        return torch.ones(self.batch_shape[0], longest, 2)


class WalkDecoder(Decoder):
    def __init__(self) -> None:
        super().__init__()
        self.latent_dim = 2

    def forward(self, z: Tensor) -> Walks:
        return Walks(len(z))


@pytest.mark.parametrize("pad", [0, -1])
def test_samples_of_several_lengths_are_joined(pad: int) -> None:
    decoder = WalkDecoder()
    decoder.pad = pad
    model = LatentEBM(GaussianPrior(2), decoder)
    x = model.sample(20, batch_size=4, generator=torch.Generator().manual_seed(0))
    steps = (x == 1).all(-1)
    assert x.shape[0] == 20 and x.shape[2] == 2 and len(steps.sum(1).unique()) > 1
    assert bool((x[~steps] == pad).all())
    assert bool((steps[:, 1:] <= steps[:, :-1]).all())  # padding is at the right


def test_the_example_of_joining_holds() -> None:
    assert doctest.testmod(lebm_core.latent.decoder).failed == 0
