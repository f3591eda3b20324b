"""What a metric is given: data of its kind, labels, evaluators that are trained once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lebm_core import GaussianPrior, LatentEBM
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.evaluation.aggregate import decoded_posterior
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.evaluators import trained_once
from lebm_core.sequences.dataset import TokenDataset
from lebm_tabular.data.synthetic import EightGaussians
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder


def made(dataset: Dataset, tmp_path: Path, recipe: Any = None) -> Evaluation:
    model = LatentEBM(GaussianPrior(2), TabularDecoder(2, 2), TabularEncoder(2, 2)).eval()
    generator = torch.Generator().manual_seed(0)
    return Evaluation(
        model, dataset, "test", generator, 0, tmp_path, tmp_path, recipe, lambda line: None
    )


def test_data_of_another_class_is_refused_in_one_sentence(tmp_path: Path) -> None:
    data = EightGaussians({"train": 5}, 0)
    evaluation = made(data, tmp_path)
    assert evaluation.need(EightGaussians, "mine.metric") is data
    wanted = "mine.metric needs a data set of the class TokenDataset, and this one is a EightGauss"
    with pytest.raises(UsageError, match=wanted):
        evaluation.need(TokenDataset, "mine.metric")


def test_labels_are_those_of_the_recipe(tmp_path: Path) -> None:
    data = EightGaussians({"train": 5}, 0)
    assert made(data, tmp_path).labels == 0
    for learning, labels in (({}, 0), ({"symbols": {"labels": 7}}, 7)):
        assert made(data, tmp_path, SimpleNamespace(learning=learning)).labels == labels


def trained(cache: Path, lines: list[str], facts: object, train: Any = None) -> nn.Linear:
    def fit(net: nn.Linear) -> dict[str, Any]:
        with torch.no_grad():
            net.weight += torch.randn(net.weight.shape)
        return {"accuracy": 0.5}

    make = lambda: nn.Linear(3, 2)  # noqa: E731
    net, known = trained_once(cache, facts, make, train or fit, lines.append, "judge", seed=4)
    assert known == {"accuracy": 0.5}
    return net


def test_an_evaluator_is_trained_once(tmp_path: Path) -> None:
    lines: list[str] = []
    state = torch.random.get_rng_state()
    facts = {"rows": [torch.arange(3), torch.zeros(2)], "lr": 1e-3}
    first = trained(tmp_path / "evaluators", lines, facts)
    second = trained(tmp_path / "evaluators", lines, facts)
    assert lines == ["trains the evaluator judge"]
    assert torch.equal(first.weight, second.weight)
    assert torch.equal(torch.random.get_rng_state(), state)  # the run's own is left as it was
    # Another option, other data, or other cuts of the same data make another.
    for other in (
        {**facts, "lr": 2e-3},
        {**facts, "rows": [torch.arange(3), torch.ones(2)]},
        {**facts, "rows": [torch.arange(3), torch.zeros(1)]},
        {**facts, "rows": [torch.arange(3), np.zeros(2, dtype=np.int64)]},
    ):
        trained(tmp_path / "evaluators", lines, other)
    assert len(lines) == 5


def test_an_evaluator_that_was_cut_short_is_trained_again(tmp_path: Path) -> None:
    lines: list[str] = []
    first = trained(tmp_path, lines, "facts")
    (weights,) = tmp_path.glob("judge-*.safetensors")
    weights.write_bytes(weights.read_bytes()[:20])
    assert torch.equal(trained(tmp_path, lines, "facts").weight, first.weight)
    assert len(lines) == 2
    (about,) = tmp_path.glob("judge-*.json")
    about.write_text("{")
    trained(tmp_path, lines, "facts")
    assert len(lines) == 3 and not list(tmp_path.glob(".*"))  # nothing half written stays


def test_posterior_codes_are_decoded(tmp_path: Path) -> None:
    data = EightGaussians({"train": 300}, 0)
    model = made(data, tmp_path).model

    def decoded(seed: int, **options: Any) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        rows = decoded_posterior(model, data, 280, seed=0, generator=generator, **options)
        assert len(rows) == 280 and rows[0].shape == (2,)
        return torch.stack(rows)

    assert torch.equal(decoded(0), decoded(0)) and not torch.equal(decoded(0), decoded(1))
    with torch.no_grad():
        sharp, noisy = decoded(0, mode=True), decoded(0)
    assert not torch.equal(sharp, noisy)
    assert len(decoded_posterior(model, data, 500, seed=0, generator=None)) == 300
