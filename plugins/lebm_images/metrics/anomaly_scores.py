"""Anomaly scores that are fitted to normal images alone: tails, typicality and aggregate.

"tails" combines probabilities by Fisher's method, "Statistical methods for research workers", 4th
edition, 1932; "typicality" follows Morningstar et al., "Density of states estimation for
out-of-distribution detection", AISTATS 2021, arXiv 2006.09273.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from sklearn.neighbors import KernelDensity
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal
from torch.special import log_ndtr

__all__ = ["STATISTICS", "TAILS", "aggregate", "tails", "typicality"]

STATISTICS = ("reconstruction", "tilt", "reference")
TAILS = ("reconstruction", "tilt")
SMOOTHING = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # standard deviations tried


def tails(normal: Mapping[str, Tensor], images: Mapping[str, Tensor]) -> Tensor:
    """Score images by tail probabilities of their parts of -log p(x, z) among normal ones, (N,).

    The sum of -log P(a normal image's value is greater) over `TAILS`: -log p(x|z), and the tilt
    -f(z) = log p0(z) - log p(z) + const, the likelihood ratio of reference and learned prior. A
    probability weighs both alike, where the sum of nats over hundreds of pixels would drown the
    code; and it needs no anomaly and has no weight to tune (Fisher's method).

    Args:
        normal: the parts of normal images that were not trained on, each (M,).
        images: the parts of the images to score, each (N,).
    """
    total = torch.zeros(len(images["reconstruction"]), dtype=torch.float64)
    for values, scored in _standardised(normal, images, TAILS):
        width = len(values) ** -0.2  # Scott's rule
        shares = [
            log_ndtr((values - part[:, None]) / width).logsumexp(1) for part in scored.split(500)
        ]
        total -= torch.cat(shares) - math.log(len(values))
    return total


def typicality(normal: Mapping[str, Tensor], images: Mapping[str, Tensor]) -> Tensor:
    """Score images by the density of their parts of -log p(x, z) among normal ones, (N,).

    Each of `STATISTICS` has a kernel density estimate, by Scott's rule, of its values on normal
    images; the score is the sum of their negative logarithms (Morningstar 2021). It uses no
    anomaly, and an image that is explained too well is as strange as one explained too badly.

    Args:
        normal: the parts of normal images that were not trained on, each (M,).
        images: the parts of the images to score, each (N,).
    """
    total = torch.zeros(len(images["reconstruction"]), dtype=torch.float64)
    for values, scored in _standardised(normal, images, STATISTICS):
        density = KernelDensity(bandwidth="scott").fit(values[:, None].numpy())
        total -= torch.from_numpy(density.score_samples(scored[:, None].numpy()))
    return total


def aggregate(
    normal: Independent[Normal], valid: Tensor, codes: Tensor, reference: Distribution
) -> Tensor:
    """Score codes by log p0(z) - log q(z), q the aggregate posterior of normal images, (N,).

    That is -f at the optimum of density ratio, where q is known in closed form: the mixture of all
    q(z|x) of training images. Each is widened by a variance h^2, since there are finitely many;
    h has the greatest likelihood of validation codes, of `SMOOTHING`.

    Args:
        normal: q(z|x) of M training images.
        valid: (V, d) posterior means of normal images that were not trained on.
        codes: (N, d) posterior means of the images to score.
        reference: p0.
    """
    mean, variance = normal.mean, normal.variance

    def log_q(z: Tensor, h: float) -> Tensor:
        precision = 1 / (variance + h**2)
        constant = 0.5 * (precision.log() - mean.square() * precision).sum(1)
        constant = constant - math.log(len(mean)) - 0.5 * mean.shape[1] * math.log(2 * math.pi)
        weighted = (mean * precision).T
        parts = [
            (part @ weighted - 0.5 * part.square() @ precision.T + constant).logsumexp(1)
            for part in z.split(500)
        ]
        return torch.cat(parts)

    best = max(SMOOTHING, key=lambda h: float(log_q(valid, h).mean()))
    return reference.log_prob(codes) - log_q(codes, best)


def _standardised(
    normal: Mapping[str, Tensor], images: Mapping[str, Tensor], names: Sequence[str]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each part of both in standard deviations of the normal images.

    A part without spread is left out (f = 0 has no tilt), and so is one that is absent (the second
    stage of a two-stage VAE has no density).
    """
    for name in names:
        if name not in normal:
            continue
        spread = normal[name].double().std()
        if spread > 0:
            yield normal[name].double() / spread, images[name].double() / spread
