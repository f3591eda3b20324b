"""lebm: generative models whose prior is an energy-based model in latent space.

One convention holds everywhere. f is the log-tilt, high is likely: p(z) = exp(f(z)) p0(z) / Z, and
`energy(z)` is -f(z) - log p0(z). z is (B, d), class ids y are (B,) with -1 for unknown,
log-densities are (B,) in nats, and the first axis of x is the batch. `step_size` is s in
z <- z + (s^2/2) grad log p + s noise eps. Every stochastic function takes `generator`.

Names are imported when first used, so that the command line starts without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names once more, where type checkers look
    from lebm_core.control_shift import ControlShift as ControlShift
    from lebm_core.controlled_prior import ControlledPrior as ControlledPrior
    from lebm_core.controls import (
        ClassIs as ClassIs,
    )
    from lebm_core.controls import (
        Control as Control,
    )
    from lebm_core.controls import (
        Function as Function,
    )
    from lebm_core.controls import (
        Not as Not,
    )
    from lebm_core.controls import (
        Property as Property,
    )
    from lebm_core.coupled_prior import CoupledPrior as CoupledPrior
    from lebm_core.data import Batch as Batch
    from lebm_core.data import Dataset as Dataset
    from lebm_core.decoder import (
        Decoder as Decoder,
    )
    from lebm_core.decoder import (
        Encoder as Encoder,
    )
    from lebm_core.decoder import (
        gaussian_code as gaussian_code,
    )
    from lebm_core.diagnostics import energy_profile as energy_profile
    from lebm_core.dynamics import Chain as Chain
    from lebm_core.dynamics import langevin as langevin
    from lebm_core.ebm_prior import EBMPrior as EBMPrior
    from lebm_core.energy import Energy as Energy
    from lebm_core.hookspecs import hookimpl as hookimpl
    from lebm_core.inference import (
        Amortized as Amortized,
    )
    from lebm_core.inference import (
        AmortizedRefined as AmortizedRefined,
    )
    from lebm_core.inference import (
        Persistent as Persistent,
    )
    from lebm_core.inference import (
        ShortRun as ShortRun,
    )
    from lebm_core.learning import Learning as Learning
    from lebm_core.mixture import MixturePrior as MixturePrior
    from lebm_core.model import LatentEBM as LatentEBM
    from lebm_core.options import LearningOptions as LearningOptions
    from lebm_core.partition import Estimate as Estimate
    from lebm_core.partition import log_z as log_z
    from lebm_core.prior import (
        GaussianPrior as GaussianPrior,
    )
    from lebm_core.prior import (
        Prior as Prior,
    )
    from lebm_core.property_head import PropertyHead as PropertyHead
    from lebm_core.property_head import fit_property as fit_property
    from lebm_core.run.evaluation import Evaluation as Evaluation
    from lebm_core.run.evaluation import Value as Value
    from lebm_core.run.run import Run as Run
    from lebm_core.run.run import run_recipe as run_recipe
    from lebm_core.second_stage import SecondStagePrior as SecondStagePrior
    from lebm_core.semi_supervised import LatentEBMClassifier as LatentEBMClassifier
    from lebm_core.sequence import (
        SequenceDecoder as SequenceDecoder,
    )
    from lebm_core.sequence import (
        SequenceEncoder as SequenceEncoder,
    )

_HOME = {
    "Amortized": "inference",
    "AmortizedRefined": "inference",
    "Batch": "data",
    "Chain": "dynamics",
    "ClassIs": "controls",
    "Control": "controls",
    "ControlShift": "control_shift",
    "ControlledPrior": "controlled_prior",
    "CoupledPrior": "coupled_prior",
    "Dataset": "data",
    "Decoder": "decoder",
    "EBMPrior": "ebm_prior",
    "Encoder": "decoder",
    "Energy": "energy",
    "Estimate": "partition",
    "Evaluation": "run.evaluation",
    "Function": "controls",
    "GaussianPrior": "prior",
    "LatentEBM": "model",
    "LatentEBMClassifier": "semi_supervised",
    "Learning": "learning",
    "LearningOptions": "options",
    "MixturePrior": "mixture",
    "Not": "controls",
    "Persistent": "inference",
    "Prior": "prior",
    "Property": "controls",
    "PropertyHead": "property_head",
    "Run": "run.run",
    "SecondStagePrior": "second_stage",
    "SequenceDecoder": "sequence",
    "SequenceEncoder": "sequence",
    "ShortRun": "inference",
    "Value": "run.evaluation",
    "energy_profile": "diagnostics",
    "fit_property": "property_head",
    "gaussian_code": "decoder",
    "hookimpl": "hookspecs",
    "langevin": "dynamics",
    "log_z": "partition",
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
