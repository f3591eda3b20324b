"""Codes and class probabilities of examples, each independent of the others in its batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core.data.adapters import Examples
from lebm_core.latent.parts import LatentModel
from lebm_core.priors.protocols import Coupled

__all__ = ["antithetic_noise", "batches", "class_probabilities", "log_likelihood", "mean_codes"]

BATCH_SIZE = 500


def antithetic_noise(draws: int, d: int) -> Tensor:
    """Standard normal draws (draws, d), each with its opposite as far as the number is even."""
    noise = torch.randn(-(-draws // 2), d)
    return torch.cat([noise, -noise])[:draws]


@torch.no_grad()
def mean_codes(x: Examples, model: LatentModel) -> Tensor:
    """The mean of q(z | x), (n, d), on the CPU."""
    return torch.cat([q.mean.cpu() for q in _posteriors(model, x)])[: len(x)]


@torch.no_grad()
def class_probabilities(x: Examples, model: LatentModel, noise: Tensor) -> Tensor:
    """p(y | x), (n, C), on the CPU: the mean of p(y | z) over codes z of q(z | x).

    Args:
        x: the examples.
        model: with an encoder and a coupled prior.
        noise: (draws, d), standard normal: the same for every example.
    """
    prior, noise = cast(Coupled, model.prior), noise.to(model.device)
    means = []
    for q in _posteriors(model, x):
        z = q.mean + q.stddev * noise[:, None]
        p = prior.logits(z.flatten(0, 1)).double().softmax(-1)
        means.append(p.unflatten(0, z.shape[:2]).mean(0))
    return torch.cat(means)[: len(x)].cpu()


def log_likelihood(x: Examples, y: Tensor, model: LatentModel, noise: Tensor) -> float:
    """Mean log p(y | x) of known labels y (n,), in nats."""
    p = class_probabilities(x, model, noise)[torch.arange(len(y)), y]
    return float(p.clamp(min=1e-12).log().mean())


def batches(x: Examples, device: torch.device) -> Iterator[Tensor]:
    """Batches that all have one size, the last one filled up, on the device.

    So the result of an example does not depend on how many others there are.
    """
    for rows in torch.arange(len(x)).split(BATCH_SIZE):
        batch = x[rows]
        missing = BATCH_SIZE - len(batch)
        yield torch.cat([batch, batch[:1].expand(missing, *batch.shape[1:])]).to(device)


def _posteriors(model: LatentModel, x: Examples) -> Iterator[Independent[Normal]]:
    """q(z | x) of each of the `batches`."""
    encoder = model.need_encoder("A prediction")
    for batch in batches(x, model.device):
        yield encoder(batch)
