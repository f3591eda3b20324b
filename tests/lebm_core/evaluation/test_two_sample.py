"""Energy distance and the two-sample classifier against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.evaluation.two_sample import (
    energy_distance,
    neighbour_accuracy,
    told_apart,
)


def normal(n: int, mean: float, seed: int, d: int = 1) -> Tensor:
    return mean + torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def phi(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def apart(mean: float) -> float:
    """E|N(mean, 2)|: the distance of two draws of variance 1."""
    return 2 / math.sqrt(math.pi) * math.exp(-(mean**2) / 4) + mean * (
        1 - 2 * phi(-mean / math.sqrt(2))
    )


@pytest.mark.parametrize("mean", [0.0, 0.5, 2.0])
def test_the_energy_distance_of_two_gaussians(mean: float) -> None:
    a, b = normal(16_000, 0.0, 1).view(40, 400, 1), normal(8_000, mean, 2).view(40, 200, 1)
    found = energy_distance(a, b)
    assert found.shape == (40,)
    error = float(found.std()) / math.sqrt(40)
    assert abs(float(found.mean()) - 2 * (apart(mean) - apart(0))) < 4 * error < 0.2


def test_it_is_exact_where_points_nearly_coincide() -> None:
    """By matrix products distances of 1e-4 far from the origin would be 0 or 1e-2."""
    a = torch.tensor([[100.0, 100.0], [100.0001, 100.0]])
    exact = (a[1] - a[0]).norm()
    assert float(energy_distance(a, a)) == pytest.approx(-float(exact), rel=1e-3)


@pytest.mark.parametrize("mean", [0.0, 1.5])
def test_a_classifier_reaches_the_bayes_rate(mean: float) -> None:
    generator = torch.Generator().manual_seed(0)
    right = told_apart(normal(4000, 0.0, 1), normal(4000, mean, 2), generator)
    assert right.shape == (4000,) and right.dtype == torch.bool
    best = phi(mean / 2)
    assert abs(float(right.float().mean()) - best) < 4 * math.sqrt(0.25 / 4000)


def test_it_finds_what_moments_do_not_tell() -> None:
    """A ring and a Gaussian of the same mean and covariance."""
    angle = 2 * math.pi * torch.rand(4000, generator=torch.Generator().manual_seed(3))
    ring = math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], 1)
    right = told_apart(ring, normal(4000, 0.0, 4, 2), torch.Generator().manual_seed(0))
    assert float(right.float().mean()) > 0.85


def test_too_few_points_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 4 points"):
        told_apart(normal(3, 0.0, 1), normal(9, 0.0, 2))


def test_nearest_neighbours_tell_what_the_network_does_not() -> None:
    """Three thin rings in a disk: their density differs at a scale that 64 units do not resolve."""
    generator = torch.Generator().manual_seed(5)
    n = 3000
    angle = 2 * math.pi * torch.rand(2 * n, generator=generator)
    radius = torch.randint(1, 13, (n,), generator=generator) / 12
    disk = torch.rand(n, generator=generator).sqrt()
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    rings, filled = circle[:n] * radius.sqrt()[:, None], circle[n:] * disk[:, None]
    network = told_apart(rings, filled, torch.Generator().manual_seed(0)).double().mean()
    nearest = neighbour_accuracy(rings, filled).double().mean()
    assert float(network) < 0.6 < 0.65 < float(nearest)


def test_nearest_neighbours_of_one_density_are_of_either_sample() -> None:
    a, b = normal(3000, 0.0, 1, 2), normal(3000, 0.0, 2, 2)
    own = neighbour_accuracy(a, b)
    assert own.shape == (6000,) and own.dtype == torch.bool
    # Pairs are each other's nearest in 0.62 of cases in the plane: the variance is at most doubled.
    assert abs(float(own.double().mean()) - 0.5) < 4 * math.sqrt(2 * 0.25 / 6000)
    assert float(neighbour_accuracy(a, a + 1e-6).double().mean()) < 0.01  # copies
    assert float(neighbour_accuracy(a, a).double().mean()) == 0
