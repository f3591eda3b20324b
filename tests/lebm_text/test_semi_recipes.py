"""The recipes of labelled sentences."""

from __future__ import annotations

import pytest

from lebm_core import run_recipe
from lebm_core.run.build import build_metrics, check_recipe
from lebm_core.run.old.recipe import apply, load

NAMES = ["semi-yelp", "semi-sst2", "semi-agnews"]
LABELS = {"semi-yelp": 1000, "semi-sst2": 200, "semi-agnews": 200}


PRESETS = [(name, preset) for name in NAMES for preset in ("cpu", "smoke")]


@pytest.mark.parametrize(("name", "preset"), [*PRESETS, ("semi-agnews", "paper")])
def test_every_preset_and_control_resolves(name, preset):
    recipe = load(name, preset)
    check_recipe(recipe)
    assert recipe.prior.kind == "coupled" and recipe.learning.labels == LABELS[name]
    assert list(build_metrics(recipe)) == ["labels.accuracy"]
    controls = {each: apply(recipe, recipe.controls[each]) for each in recipe.controls}
    assert set(controls) == {"labels_only", "vae", "m2"}
    for control, each in controls.items():
        check_recipe(each, control)
    for each in ("labels_only", "m2"):
        learning = controls[each].learning
        assert learning.mutual_information == learning.smoothness == 0
    assert controls["vae"].prior.kind == "gaussian"
    assert (controls["m2"].learning.tilt, controls["m2"].learning.encoder_tilt) == ("none", 0)


def test_the_paper_preset_is_what_was_published():
    recipe = load("semi-agnews", "paper")
    assert recipe.decoder["hidden"] == [2000] * 3 and recipe.encoder["hidden"] == [2000] * 2
    assert (recipe.prior.latent_dim, recipe.prior.steps, recipe.prior.step_size) == (100, 100, 0.4)
    assert recipe.learning.label_weight == 200 and recipe.learning.mutual_information == 100
    assert recipe.learning.smoothness == 0 and recipe.training.epochs == 201
    assert recipe.published["VAMPIRE"] == {"accuracy": 0.819}


def test_sentences_of_ones_own_are_learned_from_few_labels(tmp_path):
    """The whole way: file, training, controls, evaluation with baselines on TF-IDF, samples."""
    lines = [f"{w}\tit was {w} food number {n}" for n in range(40) for w in ("bad", "good")]
    (tmp_path / "my.tsv").write_text("\n".join(lines * 3))
    few = [
        "data.name=text.labelled",
        "data.representation=bag",
        f"data.source={tmp_path / 'my.tsv'}",
        "data.valid_share=0.2",
        "data.test_share=0.2",
        "data.train_lines=0",
        "learning.labels=60",
        "encoder.hidden=[64]",
        "training.max_steps=100",
        "training.lr_encoder=1e-2",
        "evaluation.controls=[m2]",
    ]
    run = run_recipe("semi-yelp", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    accuracy = {name: row["accuracy"].value for name, row in run.results.items()}
    assert accuracy["model"] > 0.7 and accuracy["logistic"] > 0.9  # of 48, by chance 0.5
    assert {"m2", "spreading", "self_training"} < set(accuracy)
    samples = (tmp_path / "run" / "samples.txt").read_text().splitlines()
    assert len(samples) == 20 and {"food"} < {word for s in samples for word in s.split()}
