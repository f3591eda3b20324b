"""Compositions of energy-based models against Gaussians and their mixtures."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import EBMPrior, Energy
from lebm_core.chains.samplers import MALA
from lebm_core.errors import UsageError
from lebm_core.models.ebm import EBM
from lebm_energies.priors.composed import compose

N = 4000


class Normal(Energy):
    """The F whose tilt of N(0, I) is N(mean, I / precision), up to its log Z."""

    def __init__(self, mean: float, precision: float, latent_dim: int = 1) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, 1, 0
        self.mean, self.precision = mean, precision

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        away = (z - self.mean).square().sum(-1, keepdim=True)
        return -0.5 * self.precision * away + 0.5 * z.square().sum(-1, keepdim=True)


def normal(mean: float, precision: float) -> EBM:
    return EBM(EBMPrior(1, Normal(mean, precision), {"steps": 5}, bound=0.0), [1])


def log_z(precision: float) -> float:
    """Of the density above: sqrt(2 pi / precision) / sqrt(2 pi)."""
    return -0.5 * math.log(precision)


def drawn(model: EBM, **options: Any) -> Tensor:
    return model.sample(N, generator=torch.Generator().manual_seed(0), batch_size=N)[:, 0]


def check(x: Tensor, mean: float, precision: float) -> None:
    std = precision**-0.5
    assert abs(float(x.mean()) - mean) < 4 * std / math.sqrt(N)
    assert abs(float(x.std()) - std) < 4 * std / math.sqrt(2 * N)


def test_a_product_of_gaussians_is_the_gaussian_between() -> None:
    both = compose([normal(-1.0, 2.0), normal(2.0, 4.0)], sampler=MALA(60, 0.5))
    check(drawn(both), (-2.0 + 8.0) / 6.0, 6.0)


def test_a_negation_subtracts_precision() -> None:
    less = compose([normal(0.0, 4.0), normal(1.0, 2.0)], weights=[1, -0.5], sampler=MALA(60, 0.8))
    check(drawn(less), -1.0 / 3.0, 3.0)


def test_a_mixture_has_the_shares_of_its_weights() -> None:
    pair = [normal(-1.5, 2.0), normal(1.5, 8.0)]
    mixed = compose(pair, "mixture", [0.7, 0.3], [log_z(2.0), log_z(8.0)], MALA(600, 0.7))
    x = drawn(mixed)
    edge = 0.5  # where both have no mass to speak of
    a, b = (0.5 * (1 + math.erf((edge - m) * (p / 2) ** 0.5)) for m, p in ((-1.5, 2), (1.5, 8)))
    share = 0.7 * a + 0.3 * b
    assert abs(float((x < edge).float().mean()) - share) < 5 * math.sqrt(0.21 / N)
    z = torch.linspace(-9, 9, 4001)[:, None]
    total = mixed.prior.log_prob(z).exp().sum() * 18 / 4000
    assert abs(float(total) - 1) < 1e-3


def test_what_cannot_be_composed_is_refused() -> None:
    with pytest.raises(UsageError, match="needs log_zs"):
        compose([normal(0, 2), normal(1, 2)], "mixture")
    with pytest.raises(UsageError, match="add up to 0: the product has no p0"):
        compose([normal(0, 4), normal(1, 2)], weights=[1, -1])
    with pytest.raises(UsageError, match="use one number for each, above 0"):
        compose([normal(0, 2), normal(1, 2)], "mixture", [1, -1], [0, 0])
    other = EBM(EBMPrior(2, sampler={"steps": 1}), [2])
    with pytest.raises(UsageError, match=r"not of the shapes \[\(1,\), \(2,\)\]"):
        compose([normal(0, 2), other])
    with pytest.raises(UsageError, match='how = "sum"'):
        compose([normal(0, 2)], "sum")  # type: ignore[arg-type]
