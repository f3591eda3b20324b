"""A metric of points on two rings, and a baseline that is measured by it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core import Evaluation, Value
from lebm_core.base.checks import at_least
from lebm_strange.rings import RADII, Rings

Metric = Callable[[Evaluation], dict[str, Value]]


def on_rings(deviations: float = 3.0) -> Metric:
    """The share of samples on a ring, and how far reconstructions lie from x.

    Args:
        deviations: standard deviations of the noise that still count as on the ring.
    """
    at_least("evaluation.deviations", deviations, 0)

    def measure(evaluation: Evaluation) -> dict[str, Value]:
        dataset = evaluation.need(Rings, "strange.rings")
        found = {"on_ring": _share(evaluation.samples, deviations * dataset.noise)}
        if hasattr(evaluation.model, "reconstruct"):
            x = next(dataset.batches(evaluation.split, 100)).x
            error = (evaluation.model.reconstruct(x) - x).norm(dim=-1)
            found["distance"] = Value.mean(error, evaluation.split, "|x - its reconstruction|")
        return found

    return measure


def kernel_density(bandwidth: float = 0.05, deviations: float = 3.0) -> Metric:
    """Training points with Gaussian noise: a kernel density estimate.

    Args:
        bandwidth: standard deviation of the kernel.
        deviations: standard deviations of the noise that still count as on the ring.
    """
    at_least("evaluation.bandwidth", bandwidth, 0)

    def measure(evaluation: Evaluation) -> dict[str, Value]:
        dataset = evaluation.need(Rings, "strange.kde")
        x = next(dataset.batches("train", 500)).x
        drawn = x + bandwidth * torch.randn(x.shape, generator=evaluation.generator)
        return {"on_ring": _share(drawn, deviations * dataset.noise)}

    return measure


def _share(x: Tensor, width: float) -> Value:
    gap = (x.norm(dim=-1, keepdim=True) - torch.tensor(RADII)).abs().amin(1)
    return Value.share(gap <= width, "samples", f"share within {width:.2g} of a ring")
