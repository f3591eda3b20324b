"""The Frechet distance and the manifold's precision and recall, against what is known."""

from __future__ import annotations

import torch

from lebm_core.base.statistics import frechet
from lebm_images.metrics.frechet import manifold


def test_the_distance_of_two_gaussians_in_closed_form() -> None:
    """For diagonal covariances it is |m - n|^2 + sum (a - b)^2 of the standard deviations."""
    torch.manual_seed(0)
    a, b = torch.tensor([1.0, 2.0, 0.5]).double(), torch.tensor([2.0, 2.0, 1.0]).double()
    shift = torch.tensor([0.0, 3.0, 0.0]).double()

    def exactly(std: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
        """Points whose sample mean and covariance are exactly these."""
        x = torch.randn(500, 3, dtype=torch.float64)
        x = x - x.mean(0)
        root = torch.linalg.cholesky(torch.cov(x.T))
        return torch.linalg.solve_triangular(root, x.T, upper=False).T * std + mean

    x, y = exactly(a, torch.zeros(3)), exactly(b, shift)
    expected = float(shift.square().sum() + (a - b).square().sum())
    assert abs(frechet(x, y) - expected) < 1e-8
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    assert abs(frechet(x @ turn, y @ turn) - expected) < 1e-8  # rotations change nothing
    assert abs(frechet(x, x)) < 1e-8


def test_features_that_are_constant_or_tied_do_no_harm() -> None:
    torch.manual_seed(0)
    x = torch.randn(100, 2, dtype=torch.float64)
    flat = torch.cat([x, x[:, :1], torch.zeros(100, 1)], dim=1)
    assert abs(frechet(flat, flat)) < 1e-6


def shares(real: torch.Tensor, samples: torch.Tensor) -> tuple[float, float]:
    precision, recall = manifold(real, samples)
    return float(precision.double().mean()), float(recall.double().mean())


def test_precision_and_recall_tell_too_little_from_too_much() -> None:
    torch.manual_seed(0)
    left, right = torch.randn(300, 2), torch.randn(300, 2) + 20
    real = torch.cat([left[:150], right[:150]])
    precision, recall = shares(real, left)  # half of the real points, well
    assert precision > 0.9
    assert 0.4 < recall < 0.55
    precision, recall = shares(left, torch.cat([left[:150] + 0.01, right[:150]]))
    assert 0.4 < precision < 0.55
    assert recall > 0.9
