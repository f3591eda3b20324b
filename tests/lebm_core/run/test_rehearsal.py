"""What cannot work is refused before the first step, and nothing is written."""

import pytest
import torch

from lebm_core.errors import RunError, UsageError
from lebm_core.learning.two_part import TwoPart
from lebm_core.run import rehearsal
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_core.run.rehearsal import rehearse
from lebm_core.run.run import run_recipe


@pytest.fixture
def refused(toy, tmp_path):
    """A function that runs the toy recipe with changes, which is refused: the message."""

    def start(*changes, error=UsageError):
        with pytest.raises(error) as caught:
            run_recipe(toy, "", list(changes), out=tmp_path / "run", log=lambda line: None)
        assert not (tmp_path / "run").exists()
        return str(caught.value)

    return start


def test_a_metric_of_other_data(refused):
    assert "toy.other needs a data set of the class OtherData" in refused(
        "evaluation.metrics=[toy.mean, toy.other]"
    )
    assert "toy.other needs" in refused("baseline.f0.evaluation.metrics=[toy.other]")


def test_a_sample_that_cannot_be_drawn(refused, monkeypatch):
    import lebm_toy

    monkeypatch.setattr(lebm_toy.ToyData, "sample_options", {"no_such_option": 1})
    assert 'no option "no_such_option"' in refused()


def test_a_batch_that_cannot_be_learned_from(refused, monkeypatch):
    import lebm_toy

    def forward(self, z, context=None):
        raise ValueError("no such z\nin lines")

    monkeypatch.setattr(lebm_toy.ToyDecoder, "forward", forward)
    assert "ValueError: no such z (LEBM_DEBUG" in refused(error=RunError)


def test_data_that_the_rule_cannot_learn_from(refused):
    assert "no_such" in refused("learning.properties=[no_such]")
    assert "encodre" in refused("training.parts.encodre.lr=0.1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("decoder.layers=1000000000000", ["decoder.layers = 1000000000000", "too large"]),
        ("prior.energy.hidden=[1000000000000]", ["1000000000000"]),
        ("evaluation.samples=1000000000000", ["evaluation.samples = 1000000000000", "memory"]),
        ("data.batch_size=99999999999999999999", ["data.batch_size", "out of range"]),
    ],
)
def test_sizes_that_cannot_be(refused, monkeypatch, change, words):
    monkeypatch.setattr(rehearsal, "MOST_TENSORS", 100)
    said = refused(change)
    assert all(word in said for word in words), said


def test_chains_that_run_away_under_fresh_weights_are_the_training_s_to_judge(toy, monkeypatch):
    def diverge(self, *arguments, **options):
        raise rehearsal.RunError("the chain has run away")

    recipe = load(toy, "")
    monkeypatch.setattr(TwoPart, "__call__", diverge)
    rehearse(recipe, build_dataset(recipe, None), "model")


def test_random_states_are_as_before_and_metrics_have_not_run(toy, tmp_path):
    recipe = load(toy, "", [f"evaluation.calls={tmp_path / 'calls'}"])
    dataset = build_dataset(recipe, None)
    torch.manual_seed(3)
    before, x = torch.get_rng_state(), dataset.x.clone()
    rehearse(recipe, dataset, "model")
    assert torch.equal(torch.get_rng_state(), before) and torch.equal(dataset.x, x)
    assert list(tmp_path.iterdir()) == [toy]
