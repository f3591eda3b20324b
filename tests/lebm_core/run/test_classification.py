"""The metric labels.accuracy, its calibration and its baselines."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.distributions import Independent, Normal

from lebm_core import Batch, CoupledPrior, Dataset, GaussianPrior, LatentEBM
from lebm_core.data.dataset import SPLITS
from lebm_core.data.labels import choose_labelled
from lebm_core.errors import UsageError
from lebm_core.evaluation import accuracy as classification
from lebm_core.evaluation.accuracy import accuracy
from lebm_core.evaluation.calibration import expected_calibration_error, reliability
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.run.old.recipe import load
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
    made = CoupledPrior(2, 3, (8,)) if prior == "coupled" else GaussianPrior(2)
    model = LatentEBM(made, TabularDecoder(2, 2), TabularEncoder(2, 2)).eval()
    recipe = load("semi-digits")
    recipe = dataclasses.replace(
        recipe, learning=dataclasses.replace(recipe.learning, labels=labels)
    )
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


def test_the_model_and_what_needs_no_model(tmp_path: Path) -> None:
    made = evaluation(tmp_path, "coupled")
    found = accuracy()(made)
    assert set(found) == {
        "accuracy", "label_nll", "calibration_error", "logistic/accuracy",
        "self_training/accuracy", "spreading/accuracy",
    }  # fmt: skip
    assert found["logistic/accuracy"].value > 0.9 and found["spreading/accuracy"].value > 0.8
    assert found["accuracy"].n == 300 and (tmp_path / "figures" / "reliability.png").is_file()
    # The likelihood is that of the probabilities whose best class gives the accuracy.
    assert 0 < found["label_nll"].value < 20
    again = accuracy(classified=50)(evaluation(tmp_path, "coupled"))
    assert again["accuracy"].n == 50


def test_a_model_without_classes_is_judged_by_its_codes(tmp_path: Path) -> None:
    found = accuracy()(evaluation(tmp_path, "gaussian", name="vae"))
    assert set(found) == {"accuracy", "codes_spreading/accuracy"}
    # An untrained encoder keeps the plane, more or less.
    assert found["accuracy"].value > 0.6


def test_baselines_see_the_labels_that_the_model_saw_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Spy(classification.LabelSpreading):  # type: ignore[misc]
        def fit(self, x, y):  # type: ignore[no-untyped-def]
            seen.append((x.copy(), y.copy()))
            return super().fit(x, y)

    monkeypatch.setattr(classification, "LabelSpreading", Spy)
    made = evaluation(tmp_path, "coupled")
    accuracy(spread_over=100)(made)
    ((x, y),) = seen
    data = made.dataset
    assert isinstance(data, Clusters)
    rows = choose_labelled(data.y, 9, seed=3)
    assert y[:9].tolist() == data.y[rows].tolist() and set(y[9:]) == {-1}
    assert 100 <= len(x) <= 109
    mine = data.x["train"][rows].numpy()
    ratio = (x[:9] - x[0])[1:] / (mine - mine[0])[1:]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)  # the same points, in other units


def test_baselines_take_sparse_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = evaluation(tmp_path, "coupled")
    monkeypatch.setattr(Clusters, "vectors", lambda self, s, r: csr_matrix(self.x[s][r].numpy()))
    found = accuracy()(made)
    assert found["logistic/accuracy"].value > 0.9 and found["spreading/accuracy"].value > 0.8


def test_examples_that_are_no_vectors_have_no_baselines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = evaluation(tmp_path, "coupled")
    monkeypatch.setattr(Clusters, "vectors", lambda self, s, r: None)
    assert set(accuracy()(made)) == {"accuracy", "label_nll", "calibration_error"}


def test_test_examples_without_a_label_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a user's own data, whose labels may be missing in any split."""
    whole = accuracy()(evaluation(tmp_path, "coupled"))
    made = evaluation(tmp_path, "coupled")
    assert isinstance(made.dataset, Clusters)
    hidden = made.dataset.y.clone()
    hidden[::2] = -1

    def batch(self: Clusters, split: str, index: Tensor) -> Batch:
        y = hidden if split == "test" else self.y
        return Batch(self.x[split][index], y[index], rows=index)

    monkeypatch.setattr(Clusters, "batch", batch)
    found = accuracy()(made)
    assert {value.n for value in found.values()} == {150}
    assert found["logistic/accuracy"].value == pytest.approx(
        whole["logistic/accuracy"].value, abs=0.05
    )
    assert accuracy(classified=50)(made)["accuracy"].n == 50
    hidden[:] = -1
    with pytest.raises(UsageError, match="no example of the test split has a label"):
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
    found = accuracy()(dataclasses.replace(made, model=model))
    assert found["accuracy"].value > 0.98
    model = LatentEBM(GaussianPrior(1), TabularDecoder(1, 2), Told())  # type: ignore[arg-type]
    assert accuracy()(dataclasses.replace(made, model=model, name="vae"))["accuracy"].value > 0.9


def test_options_are_refused_before_training() -> None:
    for option in ({"classified": -1}, {"spread_over": 0}, {"label_draws": 0}):
        with pytest.raises(UsageError, match=f"evaluation.{next(iter(option))} = "):
            accuracy(**option)
