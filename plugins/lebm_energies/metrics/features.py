"""What an energy knows of classes: its features under a classifier, and samples given a class."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.priors.protocols import Coupled
from lebm_energies.data.generated import Generated

__all__ = ["ANCESTRAL", "ancestral", "class_values", "feature_values"]

GIVEN = 50  # samples of each class
AT_ONCE = 256
ANCESTRAL = "samples given a class, classes in the shares of the training split"


def _classifier(x: Tensor, y: Tensor) -> object:
    """Fit a logistic regression on standardised features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return found.fit(x.numpy(), y.numpy())


def _flat(x: Tensor) -> Tensor:
    return x.flatten(1)


def ancestral(evaluation: Evaluation, data: Generated, n: int) -> Tensor | None:
    """n ancestral draws of a coupled prior, on the CPU: y of the training split, then x given y.

    None for a prior without the classes of the data.
    """
    model, prior = evaluation.model, evaluation.model.prior
    if not (data.classes and isinstance(prior, Coupled) and prior.n_classes == len(data.classes)):
        return None
    y = data.all("train").y
    assert y is not None
    rows = torch.randint(len(y), (n,), generator=evaluation.generator, device=model.device).cpu()
    drawn: Tensor = model.sample(n, y=y[rows], generator=evaluation.generator)
    return drawn.cpu()


def class_values(
    evaluation: Evaluation, data: Generated, flat: Callable[[Tensor], Tensor] = _flat
) -> dict[str, Value]:
    """p(y | x) of a coupled prior on test examples, and classes of samples drawn given one.

    Args:
        evaluation: of the model.
        data: with classes.
        flat: what a classifier that knows no energy sees of x, (B, features).
    """
    model, split = evaluation.model, evaluation.split
    if not (data.classes and isinstance(model.prior, Coupled) and model.prior.n_classes):
        return {}
    test, train = data.all(split), data.all("train")
    with torch.no_grad():
        parts = test.x.to(model.device).flatten(1).split(AT_ONCE)
        found = torch.cat([model.prior.logits(part).argmax(1).cpu() for part in parts])
    judge = _classifier(flat(train.x), train.y)  # type: ignore[arg-type]
    right: list[Tensor] = []
    for k in range(len(data.classes)):
        # A chain on F_k from p0, as in learning: annealing from f to F_k takes minutes.
        z = model.prior.sample(GIVEN, y=k, generator=evaluation.generator)
        drawn = model.decode_mode(z).cpu()
        seen = judge.predict(flat(data.clean(drawn)).numpy())  # type: ignore[attr-defined]
        right.append(torch.from_numpy(seen) == k)
    return {
        "accuracy": Value.share(
            found == test.y, split, "share of examples whose class p(y | x) finds", better="higher"
        ),
        "class_agreement": Value.share(
            torch.cat(right), "samples",
            "share of samples drawn by a chain on F_y that a logistic regression on real examples "
            "assigns to y", better="higher",
        ),
    }  # fmt: skip


def feature_values(
    evaluation: Evaluation,
    data: Generated,
    labels: int,
    flat: Callable[[Tensor], Tensor] = _flat,
) -> dict[str, Value]:
    """Accuracy of a logistic regression with few labels, on the energy's features and on x.

    Args:
        evaluation: of the model.
        data: with classes.
        labels: examples of each class that it learns from.
        flat: x as a vector, to compare with, (B, features).
    """
    energies = getattr(evaluation.model.prior, "energies", [])
    if not (labels and data.classes and energies and hasattr(energies[0], "flat_features")):
        return {}
    train, test = data.all("train"), data.all(evaluation.split)
    assert train.y is not None and test.y is not None
    rows = torch.cat([(train.y == k).nonzero()[:labels, 0] for k in range(len(data.classes))])

    def features(x: Tensor) -> Tensor:
        with torch.no_grad():
            parts = x.to(evaluation.model.device).flatten(1).split(AT_ONCE)
            return torch.cat([energies[0].flat_features(part).cpu() for part in parts])

    def score(a: Tensor, b: Tensor, of: str) -> dict[str, Value]:
        judge = _classifier(a, train.y[rows])  # type: ignore[index]
        right = torch.from_numpy(judge.predict(b.numpy())) == test.y  # type: ignore[attr-defined]
        return {
            "few_labels": Value.share(
                right, evaluation.split,
                f"accuracy of a logistic regression on {of} with {labels} labels a class",
                better="higher",
            )
        }  # fmt: skip

    values = score(features(train.x[rows]), features(test.x), "the energy's features")
    if evaluation.name == "model":
        raw = score(flat(train.x[rows]), flat(test.x), "x itself")
        values |= in_row("raw", raw, "x itself")
    return values
