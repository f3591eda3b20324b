"""cooperative.reconstruction: examples from their codes, by short chains and by long ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lebm_core.base.checks import positive, whole
from lebm_core.chains.samplers import Langevin
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value
from lebm_core.latent.chains import Persistent, ShortRun

__all__ = ["build"]

AT_ONCE = 100


def build(
    *,
    reconstructed: int = 500,
    posterior_steps: int = 500,
    posterior_step_size: float = 0.1,
) -> Metric:
    """Metric cooperative.reconstruction, of x of any shape.

    Args:
        reconstructed: examples of the split, at most
        posterior_steps: of the long chain on the posterior, which every row of a table runs
        posterior_step_size: of that chain

    Raises:
        UsageError: for options that are not possible.
    """
    whole("evaluation.reconstructed", reconstructed, 1)
    whole("evaluation.posterior_steps", posterior_steps, 1)
    positive("evaluation.posterior_step_size", posterior_step_size)
    long_chain = ShortRun(Langevin(posterior_steps, posterior_step_size))

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, split = evaluation.model, evaluation.split
        own = model.inference.point()
        errors: dict[str, list[Tensor]] = {"mse": [], "mse_chain": []}
        rows = torch.arange(min(reconstructed, evaluation.dataset.length(split)))
        for index in rows.split(AT_ONCE):
            x = evaluation.dataset.batch(split, index).x
            if not isinstance(x, Tensor) or not x.is_floating_point():
                raise UsageError("cooperative.reconstruction needs examples of real numbers.")
            x = x.to(model.device)
            for name, how in (("mse", own), ("mse_chain", long_chain)):
                z = model.posterior(x, inference=how, generator=evaluation.generator)
                error = (model.decode_mode(z) - x).square().flatten(1).mean(1)
                errors[name].append(error.double().cpu())
        steps = getattr(own, "sampler", None)
        code = "the mean of q(z|x)"
        if steps is not None:
            code = f"the end of a chain of {steps.options.get('steps')} steps"
            code += " from p0" if isinstance(own, (ShortRun, Persistent)) else ""
        told = "squared error of a number of x, of the mean of p(x|z) with z at "
        return {
            "mse": Value.mean(
                torch.cat(errors["mse"]), split, told + code, {"code": code}, better="lower"
            ),
            "mse_chain": Value.mean(
                torch.cat(errors["mse_chain"]), split,
                f"{told}the end of a chain of {posterior_steps} steps of {posterior_step_size} "
                "from p0", better="lower",
            ),
        }  # fmt: skip

    return metric
