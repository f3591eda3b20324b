"""The metric labels.accuracy, its calibration, and the baselines that see the same labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core import Batch, CoupledPrior, Dataset, GaussianPrior, LatentEBM
from lebm_core.baselines.classifiers import logistic, self_training, spreading
from lebm_core.data.dataset import SPLITS
from lebm_core.data.labels import choose_labelled
from lebm_core.errors import UsageError
from lebm_core.evaluation import classifiers
from lebm_core.evaluation.accuracy import accuracy
from lebm_core.evaluation.calibration import expected_calibration_error, reliability
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder


class Clusters(Dataset):
    """Three clusters in the plane, 100 of each class in each split."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        middle = torch.tensor([[0.0, 4.0], [4.0, 0.0], [-4.0, -4.0]])
        self.y = torch.arange(300) % 3
        self.x = {
            split: middle[self.y] + torch.randn(300, 2, generator=generator) for split in SPLITS
        }
        self.sizes, self.summary = {"features": 2, "n_classes": 3}, {}

    def length(self, split: str) -> int:
        return 300

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[split][index], self.y[index], rows=index)

    def write(self, x: Tensor, path: Path) -> Path:
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Clusters:
        raise NotImplementedError


def evaluation(tmp_path: Path, prior: str, labels: int = 9, name: str = "model") -> Evaluation:
    torch.manual_seed(0)
    made = CoupledPrior(2, 3, {"hidden": [8]}) if prior == "coupled" else GaussianPrior(2)
    model = LatentEBM(made, TabularDecoder(2, 2), TabularEncoder(2, 2)).eval()
    recipe = SimpleNamespace(learning={"symbols": {"labels": labels}})
    generator = torch.Generator().manual_seed(0)
    return Evaluation(
        model, Clusters(), "test", generator, 3, tmp_path, tmp_path, recipe, lambda line: None, name
    )


def test_calibration_by_hand() -> None:
    # Ten at 0.95, nine of them right; ten at 0.65, three right.
    p = np.array([[0.95, 0.05]] * 10 + [[0.65, 0.35]] * 10)
    y = np.array([0] * 9 + [1] + [0] * 3 + [1] * 7)
    assert expected_calibration_error(p, y) == pytest.approx(0.5 * 0.05 + 0.5 * 0.35)
    np.testing.assert_allclose(reliability(p, y), [(0.65, 0.3, 0.5), (0.95, 0.9, 0.5)])
    sure = np.array([[1.0, 0.0]])
    assert expected_calibration_error(sure, np.array([0])) == 0.0


def baselines(made: Evaluation, **options: Any) -> Mapping[str, Mapping[str, Value]]:
    """What each of the three on x gives."""
    factories = {"logistic": logistic, "self_training": self_training, "spreading": spreading}
    return {name: factory(**options)(made) for name, factory in factories.items()}


def test_the_model_itself(tmp_path: Path) -> None:
    values = accuracy()(evaluation(tmp_path, "coupled"))
    assert set(values) == {"accuracy", "label_nll", "calibration_error"}
    assert values["accuracy"].n == 300 and (tmp_path / "figures" / "reliability.png").is_file()
    # The likelihood is that of the probabilities whose best class gives the accuracy.
    assert 0 < values["label_nll"].value < 20  # type: ignore[operator]
    again = accuracy(classified=50)(evaluation(tmp_path, "coupled"))
    assert again["accuracy"].n == 50


def test_what_needs_no_model(tmp_path: Path) -> None:
    rows = baselines(evaluation(tmp_path, "coupled"))
    assert all(set(values) == {"accuracy"} for values in rows.values())
    scores = {name: values["accuracy"].value for name, values in rows.items()}
    assert min(scores["logistic"], scores["self_training"]) > 0.9  # type: ignore[type-var,operator]
    assert scores["spreading"] > 0.8  # type: ignore[operator]
    few = logistic(classified=50)(evaluation(tmp_path, "coupled"))["accuracy"]
    assert few.n == 50 and few.extra["baseline"].startswith("the labelled alone, C = ")
    # Where every example has a label there is nothing to teach itself.
    every = baselines(evaluation(tmp_path, "coupled", labels=0))
    assert every["self_training"]["accuracy"].value == every["logistic"]["accuracy"].value


def test_a_model_without_classes_is_judged_by_its_codes(tmp_path: Path) -> None:
    made = evaluation(tmp_path, "gaussian", name="vae")
    values = accuracy()(made)
    assert set(values) == {"accuracy", "codes_spreading/accuracy"}
    assert values["accuracy"].row == "" and values["accuracy"].value > 0.6  # type: ignore[operator]
    # An untrained encoder keeps the plane, more or less.
    spread = values["codes_spreading/accuracy"]
    assert spread.row == "codes_spreading"
    assert 0.4 < spread.value <= 1 and spread.extra["baseline"] == "7 neighbours, 300 examples"  # type: ignore[operator]


def test_baselines_see_the_labels_that_the_model_saw_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Spy(classifiers.LabelSpreading):  # type: ignore[misc]
        def fit(self, x, y):  # type: ignore[no-untyped-def]
            seen.append((x.copy(), y.copy()))
            return super().fit(x, y)

    monkeypatch.setattr(classifiers, "LabelSpreading", Spy)
    made = evaluation(tmp_path, "coupled")
    spreading(spread_over=100)(made)
    ((x, y),) = seen
    data = made.dataset
    assert isinstance(data, Clusters)
    rows = choose_labelled(data.y, 9, seed=3)
    assert y[:9].tolist() == data.y[rows].tolist() and set(y[9:]) == {-1}
    assert 100 <= len(x) <= 109
    own = data.x["train"][rows].numpy()
    ratio = (x[:9] - x[0])[1:] / (own - own[0])[1:]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)  # the same points, in other units


def test_baselines_take_sparse_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = evaluation(tmp_path, "coupled")
    monkeypatch.setattr(Clusters, "vectors", lambda self, s, r: csr_matrix(self.x[s][r].numpy()))
    rows = baselines(made)
    assert rows["logistic"]["accuracy"].value > 0.9  # type: ignore[operator]
    assert rows["spreading"]["accuracy"].value > 0.8  # type: ignore[operator]


def test_examples_that_are_no_vectors_have_no_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clusters, "vectors", lambda self, s, r: None)
    assert not any(baselines(evaluation(tmp_path, "coupled")).values())


def test_test_examples_without_a_label_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a user's own data, whose labels may be missing in any split."""
    whole = logistic()(evaluation(tmp_path, "coupled"))
    made = evaluation(tmp_path, "coupled")
    assert isinstance(made.dataset, Clusters)
    hidden = made.dataset.y.clone()
    hidden[::2] = -1

    def batch(self: Clusters, split: str, index: Tensor) -> Batch:
        y = hidden if split == "test" else self.y
        return Batch(self.x[split][index], y[index], rows=index)

    monkeypatch.setattr(Clusters, "batch", batch)
    values = accuracy()(made)
    assert {value.n for value in values.values()} == {150}
    half = logistic()(made)["accuracy"]
    assert half.n == 150
    assert half.value == pytest.approx(whole["accuracy"].value, abs=0.05)
    assert accuracy(classified=50)(made)["accuracy"].n == 50
    hidden[:] = -1
    with pytest.raises(UsageError, match="No example of the test split has a label"):
        accuracy()(made)


def test_the_context_goes_with_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class is the sign of the context, which x does not tell."""

    class Told(torch.nn.Module):
        latent_dim = 1

        def forward(self, x: Tensor, context: Tensor | None = None) -> Independent:
            assert context is not None and len(context) == len(x)
            return Independent(Normal(context, 1e-3 * torch.ones_like(context)), 1)

    class Prior(GaussianPrior):
        n_classes = 2

        def logits(self, z: Tensor, context: Tensor | None = None) -> Tensor:
            assert context is not None
            return torch.cat([-z, z], 1) * 10

    context = torch.randn(300, 1, generator=torch.Generator().manual_seed(1))

    def batch(self: Clusters, split: str, index: Tensor) -> Batch:
        return Batch(self.x[split][index], (context[index, 0] > 0).long(), context[index])

    monkeypatch.setattr(Clusters, "batch", batch)
    made = evaluation(tmp_path, "coupled")
    model = LatentEBM(Prior(1), TabularDecoder(1, 2), Told())  # type: ignore[arg-type]
    values = accuracy()(dataclasses.replace(made, model=model))
    assert values["accuracy"].value > 0.98
    model = LatentEBM(GaussianPrior(1), TabularDecoder(1, 2), Told())  # type: ignore[arg-type]
    assert accuracy()(dataclasses.replace(made, model=model, name="vae"))["accuracy"].value > 0.9


def test_options_are_refused_before_training() -> None:
    for option in ({"classified": -1}, {"spread_over": 0}, {"label_draws": 0}):
        with pytest.raises(UsageError, match=f"evaluation.{next(iter(option))} = "):
            accuracy(**option)
    for option in ({"classified": -1}, {"spread_over": 0}):
        for baseline in (logistic, self_training, spreading):
            with pytest.raises(UsageError, match=f"evaluation.{next(iter(option))} = "):
                baseline(**option)
