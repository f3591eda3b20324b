"""A baseline that takes the weights of another row is judged without a training of its own."""

import pytest
from safetensors.torch import load_file

from lebm_core.base.files import read_json
from lebm_core.errors import UsageError
from lebm_core.run.artifacts import read_training
from lebm_core.run.reuse import sample_run
from lebm_core.run.run import run_recipe

CHAIN = "baseline.long.prior.sampler.steps=40"


def quiet(line):
    pass


def asked(*more):
    return ['baseline.long.weights="model"', 'evaluation.baselines=["long"]', *more]


@pytest.fixture
def with_long(toy):
    """The toy recipe with a baseline of a longer chain."""
    toy.write_text(toy.read_text() + '\n[baseline.long]\nsummary = "A longer chain"\n')
    return toy


def test_one_training_is_judged_in_two_ways(with_long, tmp_path, undrawn):
    said = []
    run = run_recipe(with_long, "", asked(CHAIN), out=tmp_path / "run", log=said.append)
    assert "long: takes the weights of model." in said
    assert not any(line.startswith("long: step") for line in said)
    place = run.folder / "baselines" / "long"
    first, second = (load_file(f / "model" / "model.safetensors") for f in (run.folder, place))
    assert first.keys() == second.keys()
    assert all(bool((first[key] == second[key]).all()) for key in first)
    steps = [
        read_json(each / "model" / "config.json")["lebm"]["prior"]["sampler"]["steps"]
        for each in (run.folder, place)
    ]
    assert steps[1] == 40 and steps[0] != 40
    assert read_training(place) == read_training(run.folder)
    assert run.results["long"]["mean"].value != run.results["model"]["mean"].value
    assert sample_run(place, 3).exists()
    again = run_recipe(with_long, "", asked(CHAIN), out=run.folder, resume=True, log=quiet)
    assert again.results == run.results


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['baseline.long.weights="modle"'], 'Did you mean "model"'),
        (['baseline.long.weights="long"'], "no row that is trained"),
        (['weights="model"'], "is for a baseline"),
        (
            ['baseline.long.weights="model"', "baseline.long.prior.energy.hidden=[7]"],
            "cannot take the weights of another row: prior.tilts.0",
        ),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_written(
    with_long, tmp_path, overrides, message
):
    overrides = ['evaluation.baselines=["long"]', *overrides]
    with pytest.raises(UsageError, match=message.replace("[", r"\[")):
        run_recipe(with_long, "", overrides, out=tmp_path / "run", log=quiet)
    assert not (tmp_path / "run").exists()
