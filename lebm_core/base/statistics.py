"""Distances between distributions, estimated from samples."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["frechet"]


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
