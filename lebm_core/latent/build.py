"""Inference from its options, and back."""

from __future__ import annotations

from collections.abc import Callable

from lebm_core.errors import UsageError, did_you_mean
from lebm_core.latent.amortized import Amortized, AmortizedRefined
from lebm_core.latent.inference import Inference, Persistent, ShortRun, _Chains
from lebm_core.learning.options import InferenceOptions

__all__ = ["build_inference", "options_of"]


def options_of(inference: Inference) -> InferenceOptions:
    """What `build_inference` needs to make the like of `inference` again."""
    kinds: dict[type, str] = {
        ShortRun: "short-run",
        Persistent: "persistent",
        Amortized: "amortized",
        AmortizedRefined: "amortized-refined",
    }
    if type(inference) not in kinds:
        raise UsageError(f"{type(inference).__name__} is no inference of lebm: it cannot be saved.")
    options = InferenceOptions(kind=kinds[type(inference)])
    if isinstance(inference, _Chains):
        options.steps, options.step_size = inference.steps, inference.step_size
        options.noise = inference.noise
    if isinstance(inference, ShortRun) and inference.pool is not None:
        options.init = "data"
    return options


def build_inference(options: InferenceOptions) -> Inference:
    """The inference that a recipe asks for.

    Raises:
        UsageError: for an unknown kind.
    """
    o = options
    kinds: dict[str, Callable[[], Inference]] = {
        "short-run": lambda: ShortRun(o.steps, o.step_size, o.noise, o.init),
        "persistent": lambda: Persistent(o.steps, o.step_size, o.noise),
        "amortized": Amortized,
        "amortized-refined": lambda: AmortizedRefined(o.steps, o.step_size, o.noise),
    }
    if o.kind not in kinds:
        raise UsageError(
            f'Unknown inference.kind "{o.kind}": accepted are {", ".join(kinds)}.'
            + did_you_mean(o.kind, kinds)
        )
    return kinds[o.kind]()
