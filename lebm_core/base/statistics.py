"""Distances between distributions, estimated from samples."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["frechet", "squared_mmd"]

NARROWEST = 1e-6  # width of a kernel


def frechet(a: Tensor, b: Tensor) -> float:
    """Compute the Frechet distance of the Gaussians fitted to two samples, (n, d) and (m, d).

    |m_a - m_b|^2 + tr(A + B - 2 (A B)^(1/2)), of means m and covariances A and B (Dowson and
    Landau 1982).
    """
    a, b = a.double(), b.double()
    first, second = (torch.cov(x.T).reshape(x.shape[1], -1) for x in (a, b))
    gap = (a.mean(0) - b.mean(0)).square().sum()
    # tr (A B)^(1/2) = tr (A^(1/2) B A^(1/2))^(1/2), whose argument is symmetric
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    product = root @ second @ root
    cross = torch.linalg.eigvalsh(0.5 * (product + product.T)).clamp(min=0).sqrt().sum()
    return float((gap + first.trace() + second.trace() - 2 * cross).clamp(min=0))


def squared_mmd(
    x: Tensor,
    y: Tensor,
    bandwidths: Sequence[float],
    *,
    biased: bool = False,
    unit: float | None = None,
) -> Tensor:
    """The squared maximum mean discrepancy of x (N, n) to y (M, n), a scalar.

    Source: Gretton et al., JMLR 13, 2012 (eq. 3 and 5).

    Args:
        x: draws, which take the gradient.
        y: data.
        bandwidths: widths of the Gaussian kernels, whose mean is taken, in units of `unit`.
        biased: the estimate that counts each point with itself and is never negative; else the
            unbiased one.
        unit: in the units of y; None for the median distance within y.
    """
    within = _squared_distances(y, y)
    if unit is None:
        apart = ~torch.eye(len(y), dtype=torch.bool, device=y.device)
        unit = float(within[apart].detach().median().sqrt()) if len(y) > 1 else 1.0
    scales = [2 * max(unit * width, NARROWEST) ** 2 for width in bandwidths]

    def kernel(squared: Tensor) -> Tensor:
        return torch.stack([torch.exp(-squared / scale) for scale in scales]).mean(0)

    def mean(squared: Tensor) -> Tensor:
        n = len(squared)
        total = kernel(squared).sum()
        # A point's kernel with itself is 1.
        return total / n**2 if biased or n < 2 else (total - n) / (n * (n - 1))

    cross = kernel(_squared_distances(x, y)).mean()
    return mean(_squared_distances(x, x)) + mean(within) - 2 * cross


def _squared_distances(x: Tensor, y: Tensor) -> Tensor:
    squared = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T
    if x is y:  # what rounding leaves on the diagonal would count
        squared = squared - torch.diag(squared.diagonal())
    return squared.clamp(min=0)
