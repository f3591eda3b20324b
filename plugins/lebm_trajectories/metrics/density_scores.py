"""Log-densities of futures: the model's own mixture, and a kernel density of draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_trajectories.networks.paths import TrajectoryDecoder

__all__ = ["MIN_LOG", "kernel_log", "mixture_log", "sigma_of"]

MIN_LOG = -20.0  # at which the logarithm of a kernel density is cut, as by Ivanovic and Pavone


def sigma_of(model: LatentEBM) -> Tensor:
    """Return the decoder's standard deviation at each step, (predicted, 1), in units of scale."""
    if not isinstance(model.decoder, TrajectoryDecoder):
        kind = type(model.decoder).__name__
        raise UsageError(f"Densities of trajectories need the decoder trajectories, not {kind}.")
    return model.decoder.log_sigma.detach().exp().cpu()


def mixture_log(middle: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
    """Compute the log of the equal mixture of Gaussians about middle (n, K, T, 2) at x (n, T, 2).

    Returns:
        (n, T).
    """
    square = ((middle - x[:, None]) / sigma).square().sum(-1)
    norm = 2 * sigma.log().squeeze(-1) + math.log(2 * math.pi)
    return (-0.5 * square).logsumexp(1) - math.log(middle.shape[1]) - norm


def kernel_log(points: Tensor, x: Tensor) -> Tensor:
    """Compute the log of a Gaussian kernel density of points (n, K, 2) at x (n, 2), Scott's width.

    Returns:
        (n,).
    """
    n, k, _ = points.shape
    centred = points - points.mean(1, keepdim=True)
    covariance = centred.mT @ centred / (k - 1) * k ** (-1 / 3)
    covariance = covariance + 1e-6 * torch.eye(2)
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, (points - x[:, None]).mT, upper=False)
    norm: Tensor = factor.diagonal(dim1=1, dim2=2).log().sum(1) + math.log(2 * math.pi)
    log_mean: Tensor = (-0.5 * white.square().sum(1)).logsumexp(1) - math.log(k)
    return log_mean - norm
