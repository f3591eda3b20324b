"""Annealed importance sampling (Neal 2001; Wu et al., ICLR 2017, arXiv 1611.04273)."""

from __future__ import annotations

import torch
from torch import Tensor

from lebm_core.chains.densities import LogDensity
from lebm_core.chains.langevin import langevin

__all__ = ["annealed_log_weights"]


def annealed_log_weights(
    z: Tensor,
    start: LogDensity,
    change: LogDensity,
    temperatures: int,
    step_size: float,
    generator: torch.Generator | None,
) -> Tensor:
    """AIS log weights (B,) from `start`, normalised, to exp(start + change), unnormalised.

    `z` are draws of `start`; the temperature rises linearly with one adjusted step at each.
    """
    log_weights = z.new_zeros(len(z), dtype=torch.float64)
    previous = 0.0
    for k in range(1, temperatures + 1):
        beta = k / temperatures
        log_weights += (beta - previous) * change(z).double()
        previous = beta
        if k < temperatures:
            z = langevin(
                lambda v, b=beta: start(v) + b * change(v),  # type: ignore[misc]
                z,
                steps=1,
                step_size=step_size,
                adjust=True,
                generator=generator,
                name="annealed chain",
            )
    return log_weights
