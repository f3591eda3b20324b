"""lebm: generative models whose prior is an energy-based model in latent space.

One convention holds everywhere. f is the log-tilt, high is likely: p(z) = exp(f(z)) p0(z) / Z, and
`energy(z)` is -f(z) - log p0(z). z is (B, d), class ids y are (B,) with -1 for unknown,
log-densities are (B,) in nats, and the first axis of x is the batch. `step_size` is s in
z <- z + (s^2/2) grad log p + s noise eps. Every stochastic function takes `generator`.

Names are imported when first used, so that the command line starts without torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Amortized": "inference",
    "AmortizedRefined": "inference",
    "Batch": "data",
    "Chain": "dynamics",
    "CoupledPrior": "prior",
    "Dataset": "data",
    "Decoder": "decoder",
    "EBMPrior": "prior",
    "Encoder": "decoder",
    "Energy": "energy",
    "Estimate": "evidence",
    "GaussianPrior": "prior",
    "LatentEBM": "model",
    "Learning": "learning",
    "LearningOptions": "options",
    "MixturePrior": "mixture",
    "Persistent": "inference",
    "Prior": "prior",
    "Run": "run.run",
    "SequenceDecoder": "sequence",
    "SequenceEncoder": "sequence",
    "ShortRun": "inference",
    "energy_profile": "diagnostics",
    "gaussian_code": "decoder",
    "hookimpl": "hookspecs",
    "langevin": "dynamics",
    "log_z": "evidence",
    "run_recipe": "run.run",
}

__version__ = "0.1.0"
__all__ = [*_HOME, "__version__"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lebm_core' has no attribute {name!r}")
    return getattr(importlib.import_module(f"lebm_core.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
