"""The metric prior-codes: do draws of the prior lie where posterior codes lie?"""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lebm_core.base.checks import whole
from lebm_core.base.modules import frozen
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import fork, randint
from lebm_core.errors import DivergenceError, UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.latent.codes import aggregate_codes
from lebm_core.latent.parts import LatentModel

__all__ = ["energy_distance", "neighbour_accuracy", "prior_codes", "told_apart"]

BLOCKS = 10  # that the energy distance is the mean over
HIDDEN, STEPS, BATCH, RATE = 64, 500, 256, 5e-3  # of the classifier
DISTANCE = "energy distance 2 E|z - w| - E|z - z'| - E|w - w'| of the prior's draws to codes of {}"


def energy_distance(a: Tensor, b: Tensor) -> Tensor:
    """2 E|A - B| - E|A - A'| - E|B - B'| of points (..., n, d) each, unbiased: (...).

    Source: Székely and Rizzo, J. Statistical Planning and Inference 143, 2013.
    """
    n, m = a.shape[-2], b.shape[-2]
    within = _apart(a, a).sum((-2, -1)) / (n * (n - 1)) + _apart(b, b).sum((-2, -1)) / (m * (m - 1))
    return 2 * _apart(a, b).mean((-2, -1)) - within


def _apart(a: Tensor, b: Tensor) -> Tensor:
    # By products it would be inexact near 0.
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def told_apart(a: Tensor, b: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Whether a classifier tells which sample a point is of, for points it has not learned from.

    A network of two hidden layers learns from the first half of each sample (Lopez-Paz and Oquab,
    ICLR 2017, arXiv 1610.06545). The mean is 1/2 where the two have one density.

    Args:
        a: (n, d).
        b: (n, d).
        generator: source of all randomness.

    Returns:
        (m,) of the points of the second halves.

    Raises:
        UsageError: for fewer than 4 points of either.
    """
    half = min(len(a), len(b)) // 2
    if half < 2:
        raise UsageError("A classifier of two samples needs at least 4 points of each.")
    x = torch.cat([a[:half], b[:half]])
    shift, scale = x.mean(0), x.std(0).clamp(min=1e-6)
    y = torch.arange(2 * half, device=x.device).ge(half).to(x.dtype)
    with fork(generator), torch.enable_grad():
        net = mlp([x.shape[1], HIDDEN, HIDDEN, 1], nn.SiLU).to(x.device)
        adam = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-2)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, STEPS)
        for _ in range(STEPS):
            rows = randint(len(x), BATCH, x, generator)
            logits = net((x[rows] - shift) / scale).squeeze(-1)
            adam.zero_grad()
            binary_cross_entropy_with_logits(logits, y[rows]).backward()
            adam.step()
            cosine.step()
    with torch.no_grad():
        says_b = [net((each[half : 2 * half] - shift) / scale).squeeze(-1) > 0 for each in (a, b)]
    return torch.cat([~says_b[0], says_b[1]])


def neighbour_accuracy(a: Tensor, b: Tensor) -> Tensor:
    """Run the 1-nearest-neighbour two-sample test, leaving one out (1-NNA).

    The mean is 1/2 where the two have one density, 1 where they are apart, and below 1/2 where one
    copies the other. It sees what a small network does not, such as rings in a disk.

    Source: Lopez-Paz and Oquab, ICLR 2017, arXiv 1610.06545.

    Args:
        a: (n, d).
        b: (n, d); of another number, 1/2 is not where it should be.

    Returns:
        (2 n,) on the CPU: True where the nearest other point is of the same sample.
    """
    x = torch.cat([a, b]).numpy(force=True)
    nearest = NearestNeighbors(n_neighbors=2).fit(x).kneighbors(x, return_distance=False)
    itself = nearest[:, 0] == torch.arange(len(x)).numpy()  # or a copy of it, which comes first
    kind = torch.arange(len(x)) < len(a)
    return kind[torch.from_numpy(nearest[:, 1] * itself + nearest[:, 0] * ~itself)] == kind


def prior_codes(*, codes: int = 5000) -> Metric:
    """Metric prior-codes, of a prior without context.

    Args:
        codes: posterior codes of the split, and as many draws of the prior
    """
    whole("evaluation.codes", codes, 4 * BLOCKS, 1_000_000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model: object = evaluation.model  # of any family
        if not isinstance(model, LatentModel) or not model.latent_dim or model.prior.context_dim:
            return {}
        split, generator = evaluation.split, evaluation.generator
        with torch.no_grad():
            w = aggregate_codes(model, evaluation.dataset, codes, generator, split=split)
        n = len(w) // BLOCKS * BLOCKS
        if n < 4 * BLOCKS:
            return {}
        began = time.monotonic()
        try:
            with torch.no_grad(), frozen(model.prior):
                z = model.prior.sample(n, generator=generator)
        except (DivergenceError, UnsupportedEstimate) as error:
            return {
                "code_distance": Value(None, None, n, split, DISTANCE.format(split), str(error))
            }
        seconds = time.monotonic() - began
        blocks = [each[:n].unflatten(0, (BLOCKS, -1)) for each in (z, w)]
        right = told_apart(z, w[:n], generator)
        own = neighbour_accuracy(z, w[:n])
        return {
            "code_distance": Value.mean(
                energy_distance(*blocks), split,
                DISTANCE.format(f"{split}, mean of {BLOCKS} blocks of {n // BLOCKS}; 0 for the same"
                                " density"), better="lower",
            ),
            "told_apart": Value.share(
                right.cpu(), split, f"share of draws and codes of {split} that a classifier, "
                "learned on others, assigns rightly; 0.5 where it cannot", better="lower",
            ),
            "neighbour_accuracy": Value.share(
                own, split, f"share of draws and codes of {split} whose nearest other one is of "
                "their own kind (1-NNA); 0.5 is best, and below it draws copy codes",
            ),
            "draw_seconds": Value(
                10_000 * seconds / n, None, n, "samples",
                "seconds to draw 10,000 codes from the prior", better="lower",
            ),
        }  # fmt: skip

    return metric
