"""cooperative.completion: the missing half by the initialiser, and by the solver after it.

Source: Xie et al., TPAMI 2021, arXiv 1902.02812 (section 5.2, image to image).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from lebm_cooperative.data.halves import Halves
from lebm_cooperative.metrics.given import Given, given_of
from lebm_cooperative.metrics.refinement import drawn
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row

__all__ = ["build", "foils", "scores"]

PEAK = 2.0  # of a pixel in [-1, 1], lowest to highest
PENALTIES = np.logspace(-2, 4, 25)


def build(*, completions: int = 10) -> Metric:
    """Metric cooperative.completion, of the data set cooperative.halves.

    Args:
        completions: draws of the missing half for each image; the first is scored by itself, as a
            draw, and their mean too, as a point estimate
    """
    whole("evaluation.completions", completions, 1, 10_000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        model, split = evaluation.model, evaluation.split
        data = evaluation.need(Halves, "cooperative.completion")
        if not isinstance(model, EnergyGenerator):
            raise UsageError(
                'cooperative.completion measures the model "energy-generator" (model.name); leave '
                "it out of evaluation.metrics for this one."
            )
        real = given_of(data, split)
        found = [drawn(model, real, evaluation.generator) for _ in range(completions)]
        guesses = {
            "start": torch.stack([each.start for each in found]),
            "refined": torch.stack([each.end for each in found]),
        }
        values: dict[str, Value] = {}
        for name, guess in guesses.items():
            values |= scores(guess[0], real.x, split, f"{name}_", "of one draw")
            if completions > 1:
                of = f"of the mean of {completions} draws"
                values |= scores(guess.mean(0), real.x, split, f"{name}_mean_", of)
                values[f"{name}_spread"] = Value(
                    float(guess.var(0).mean()), None, len(real.x), split,
                    "variance of a pixel over draws of one image",
                )  # fmt: skip
        before, after = (_errors(guess[0], real.x) for guess in guesses.values())
        values["gain"] = Value.mean(
            before - after, split, "squared error of a start less that of the same start refined, "
            "paired: above 0 where the solver improves on the initialiser", better="higher",
        )  # fmt: skip
        if evaluation.name == "model":
            for row, title, x in foils(data, real):
                values |= in_row(row, scores(x, real.x, split, "start_mean_", ""), title)
        return values

    return metric


def _errors(guess: Tensor, x: Tensor) -> Tensor:
    """The mean squared error of each image, (n,)."""
    return (guess - x).flatten(1).double().square().mean(1)


def scores(guess: Tensor, x: Tensor, split: str, prefix: str, of: str) -> dict[str, Value]:
    """Mean squared error and PSNR of unknown pixels, by image."""
    error = _errors(guess, x)
    ratio = 10 * (PEAK**2 / error.clamp(min=1e-12)).log10()
    told = f" {of}" if of else ""
    return {
        f"{prefix}mse": Value.mean(
            error, split, f"mean squared error of unknown pixels in [-1, 1]{told}", better="lower"
        ),
        f"{prefix}psnr": Value.mean(
            ratio, split, f"peak signal-to-noise ratio of unknown pixels, dB, mean over images"
            f"{told}", better="higher",
        ),
    }  # fmt: skip


def foils(data: Halves, real: Given) -> Iterator[tuple[str, str, Tensor]]:
    """What needs no such model, as rows: name, title, and the missing halves (n, 1, H, W)."""
    from sklearn.linear_model import Ridge

    train, valid = given_of(data, "train"), given_of(data, "valid")
    assert train.context is not None and valid.context is not None and real.context is not None
    yield "mean", "the mean training image", train.x.mean(0, keepdim=True).expand_as(real.x)
    nearest = torch.cdist(real.context, train.context).argmin(1)
    yield "nearest", "the training image nearest in the known half", train.x[nearest]
    least, best = math.inf, real.x
    for penalty in PENALTIES:
        fitted = Ridge(alpha=penalty).fit(train.context.numpy(), train.x.flatten(1).numpy())
        chosen_by = torch.from_numpy(fitted.predict(valid.context.numpy())).view_as(valid.x)
        if (error := float(_errors(chosen_by, valid.x).mean())) < least:
            least = error
            best = torch.from_numpy(fitted.predict(real.context.numpy())).view_as(real.x)
    yield "ridge", "ridge regression, its penalty chosen on the validation split", best
