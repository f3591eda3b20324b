"""Chains in blocks: the samplers, densities and runs that recorded and captured blocks share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import MALA, CoupledPrior, EBMPrior, Langevin
from lebm_core.chains import blocks
from lebm_core.chains.hmc import HMC
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.tempering import Tempering
from lebm_core.chains.trace import Chain

SAMPLERS = [
    Langevin(47, 0.3),
    Langevin(30, 0.2, 0.5),
    Langevin(60, "auto"),
    MALA(33, 0.4),
    HMC(25, 0.2, 3),
    Tempering(41, "auto", 4, 2),
    Tempering(31, 0.3, 3, 1),
]
MODELS: dict[str, Callable[[], EBMPrior]] = {
    "fused": lambda: EBMPrior(4, {"hidden": [16, 8]}),
    "classes": lambda: CoupledPrior(4, 3, {"hidden": [16]}),
    "a box": lambda: EBMPrior(4, {"hidden": [16]}, reference="uniform", bound=3.0),
    "data space": lambda: EBMPrior(
        16, {"name": "convolution", "shape": [1, 4, 4], "widths": [4], "hidden": []}
    ),
    "voxels": lambda: EBMPrior(
        8, {"name": "voxels", "shape": [1, 2, 2, 2], "widths": [4], "hidden": []}
    ),
}


def made(model: str) -> EBMPrior:
    torch.manual_seed(0)
    prior = MODELS[model]()
    for p in prior.parameters():
        p.data.mul_(2.0)
    return prior


def run(
    prior: EBMPrior, sampler: Sampler, trace: Chain | None = None, **changed: Any
) -> tuple[Tensor, Tensor]:
    """The end of a chain, and a number that its generator gives next."""
    device = prior.std.device  # type: ignore[union-attr]
    generator = torch.Generator(device).manual_seed(1)
    target = prior.target()
    for key, value in changed.items():
        setattr(target, key, value)
    start = torch.randn(6, prior.latent_dim, generator=torch.Generator().manual_seed(2))
    z = sampler(target, start.to(device), generator=generator, trace=trace)
    return z, torch.rand(1, generator=generator, device=device)


def plain(prior: EBMPrior, sampler: Sampler, monkeypatch: pytest.MonkeyPatch, **kw: Any) -> Any:
    """The same where no block is recorded, of the lengths that recorded ones have."""
    with monkeypatch.context() as patch:
        patch.setattr(blocks._Recorded, "made", classmethod(lambda cls, *_: None))
        patch.setattr(blocks, "_refused", set())
        return run(prior, sampler, **kw)


def name_of(sampler: Sampler) -> str:
    return f"{type(sampler).__name__}{tuple(sampler.options.values())}"
