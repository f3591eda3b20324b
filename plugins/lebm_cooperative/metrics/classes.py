"""cooperative.classes: are draws of a class of that class, before and after the chain?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lebm_cooperative.metrics.given import given_of
from lebm_cooperative.metrics.refinement import drawn
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_core.base.checks import whole
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.evaluation.values import Value, in_row

__all__ = ["build"]

ACCURACY = (
    "share of {} of a class, each as often as in the split, that a support vector machine of the "
    "training split assigns to it"
)


def build(*, judged: int = 500) -> Metric:
    """Metric cooperative.classes, for labelled data and a model with classes.

    A support vector machine, learned on the training split, says of which class a draw is.

    Args:
        judged: examples of the split whose classes are asked for, and as many draws
    """
    whole("evaluation.judged", judged, 1, 1_000_000)

    def metric(evaluation: Evaluation) -> Mapping[str, Value]:
        from sklearn.svm import SVC

        model, data, split = evaluation.model, evaluation.dataset, evaluation.split
        real, train = given_of(data, split, judged), given_of(data, "train")
        if real.y is None or train.y is None:
            raise UsageError(f"cooperative.classes needs classes, and {data.name} has none.")
        judge: Any = SVC(gamma="scale").fit(train.x.flatten(1).numpy(), train.y.numpy())
        y = real.y

        def share(x: Tensor, of: str, split: str = "samples") -> Value:
            told = torch.from_numpy(judge.predict(x.flatten(1).numpy()))
            return Value.share(told == y, split, ACCURACY.format(of), better="higher")

        values: dict[str, Value] = {}
        if not model.prior.n_classes:
            values["accuracy"] = Value(
                None, split="samples", definition=ACCURACY.format("draws"),
                refused="the model has no classes",
            )  # fmt: skip
        elif isinstance(model, EnergyGenerator) and model.refine:
            found = drawn(model, real, evaluation.generator)
            values["accuracy"] = share(found.end, "refined draws")
            values["start_accuracy"] = share(found.start, "the generator's own draws")
        else:
            values["accuracy"] = share(real.sample(model, evaluation.generator), "draws")
        if evaluation.name == "model":
            values |= in_row("real", {"accuracy": share(real.x, "real examples", split)})
        return values

    return metric
