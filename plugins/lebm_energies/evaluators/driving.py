"""What a model of driving has learned, and what it draws in scenes."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core import EBMPrior
from lebm_core.models.latent_ebm import LatentEBM
from lebm_energies.control.costs import EFFORTS
from lebm_energies.data.driving import Driving
from lebm_energies.networks.driving import DrivingCost

__all__ = ["draws_of", "is_linear", "theta_of"]


def is_linear(model: LatentEBM) -> bool:
    """Whether weights are all of a model's cost, without a network beside them."""
    energies = model.prior.energies if isinstance(model.prior, EBMPrior) else []
    return all(isinstance(e, DrivingCost) and e.network is None for e in energies)


def theta_of(model: LatentEBM, data: Driving) -> Tensor:
    """The weights that a model has learned, with those that p0 stands for, (features,)."""
    prior, theta = model.prior, torch.zeros_like(data.theta)
    if isinstance(prior, EBMPrior):
        for energy in prior.energies:
            if isinstance(energy, DrivingCost):
                theta = theta + energy.theta.detach().cpu()
    std = getattr(prior, "std", None)
    if std is not None and not prior.uniform_reference:
        for name in EFFORTS:
            theta[data.costs.names.index(name)] += 0.5 / float(std) ** 2
    return theta


def draws_of(
    model: LatentEBM,
    data: Driving,
    split: str,
    rows: Tensor,
    draws: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Controls that a model draws in some scenes, (n, draws, d), on the CPU."""
    context = None
    if model.prior.context_dim:
        context = data.contexts[split][rows].repeat_interleave(draws, 0).to(model.device)
    x: Tensor = model.sample(
        len(rows) * draws, context=context, generator=generator, batch_size=2000
    )
    return x.cpu().view(len(rows), draws, -1)
