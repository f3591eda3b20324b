"""Classes of codes: the model's own p(y | z), or a classifier of codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core.control.base import Control
from lebm_core.control.controls import ClassIs, Function
from lebm_core.data.dataset import subset
from lebm_core.data.labels import labels_of
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value

__all__ = ["CodeClasses"]

LEARNED = 20_000  # training sentences that a classifier of codes learns from
AT_ONCE = 500


class CodeClasses:
    """Classes in the latent space of one model.

    A coupled prior has its own. For any other a logistic regression learns them from codes
    z ~ q(z | x) of training sentences, and log p(y | z) is added to the prior's log-tilt: control
    of a model that was trained without classes.

    Args:
        classify: x (B, T) -> p(y | x) (B, C).
        control: class id and strength -> the control.
        how: the name of the classifier, for the report.
    """

    def __init__(
        self,
        classify: Callable[[Tensor], Tensor],
        control: Callable[[int, float], Control],
        how: str,
    ) -> None:
        self.classify, self.control, self.how = classify, control, how

    @classmethod
    def of(cls, evaluation: Evaluation) -> CodeClasses | None:
        """Return those of the model; None where it has neither classes nor an encoder."""
        model = evaluation.model
        if model.prior.n_classes:
            return cls(
                lambda x: model.classify(x, generator=evaluation.generator),
                lambda c, strength: ClassIs(c, strength=strength),
                "the prior's own p(y | z)",
            )
        if model.encoder is None:
            return None
        weight, bias, n = _logistic_regression(evaluation)

        def log_p(z: Tensor) -> Tensor:
            return (z @ weight.T + bias).log_softmax(-1)

        def control(c: int, strength: float) -> Control:
            name = f"y = {evaluation.dataset.classes[c]}"
            return Function(lambda z: log_p(z)[:, c], strength=strength, name=name)

        def classify(x: Tensor) -> Tensor:
            return log_p(model.posterior(x, generator=evaluation.generator)).exp()

        return cls(classify, control, f"logistic regression on the codes of {n:,} sentences")

    @torch.no_grad()
    def accuracy(self, evaluation: Evaluation, n: int) -> Value:
        """Return the share of n sentences of the split whose class their codes predict."""
        y = labels_of(evaluation.dataset, evaluation.split)
        known = (y >= 0).nonzero().squeeze(1)
        rows = known[subset(len(known), n, evaluation.seed)]
        right = 0
        for some in rows.split(AT_ONCE):
            x = evaluation.dataset.batch(evaluation.split, some).x.to(evaluation.model.device)
            right += int((self.classify(x).argmax(1).cpu() == y[some]).sum())
        text = "Share of real sentences whose class is predicted from their codes."
        facts, n = {"by": self.how}, len(rows)
        return Value.share(right, evaluation.split, text, facts, of=n, better="higher")


@torch.no_grad()
def _logistic_regression(evaluation: Evaluation) -> tuple[Tensor, Tensor, int]:
    """Weights (C, d) and biases (C,) of a logistic regression on codes, and the number of codes."""
    from sklearn.linear_model import LogisticRegression

    data, model = evaluation.dataset, evaluation.model
    y = labels_of(data, "train")
    known = (y >= 0).nonzero().squeeze(1)
    rows = known[subset(len(known), LEARNED, evaluation.seed)]
    z = torch.cat([
        model.posterior(
            data.batch("train", some).x.to(model.device), generator=evaluation.generator
        ).cpu()
        for some in rows.split(AT_ONCE)
    ])  # fmt: skip
    learner = LogisticRegression(max_iter=1000).fit(z.numpy(), y[rows].numpy())
    weight = torch.from_numpy(learner.coef_).float()
    bias = torch.from_numpy(learner.intercept_).float()
    if len(weight) == 1:  # of two classes scikit-learn keeps the second alone
        weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
    return weight.to(model.device), bias.to(model.device), len(rows)
