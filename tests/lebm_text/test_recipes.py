"""The recipes of text: every preset resolves, with its baselines; the published values are kept."""

from __future__ import annotations

import pytest

from lebm_core.run.build import build_metrics, check_recipe
from lebm_core.run.config.recipe import Recipe, load

GENERATION = ("text-ptb", "text-snli", "text-yahoo", "text-pydocs")
FEW_LABELS = {"semi-yelp": 1000, "semi-sst2": 200, "semi-agnews": 200}
PRESETS = [(n, p) for n in GENERATION for p in ("paper", "cpu", "smoke")]
PRESETS.remove(("text-pydocs", "paper"))
LABELLED = [(n, p) for n in FEW_LABELS for p in ("cpu", "smoke")] + [("semi-agnews", "paper")]


def resolved(name: str, preset: str) -> Recipe:
    """The recipe, checked with its baselines."""
    recipe = load(name, preset)
    check_recipe(recipe)
    for baseline, part in recipe.baselines.items():
        check_recipe(part, baseline)
    return recipe


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_and_baseline_of_generation_resolves(name, preset):
    recipe = resolved(name, preset)
    assert set(recipe.baselines) == {"f0", "rae", "lm"} and len(build_metrics(recipe)) == 7
    f0, rae, lm = (recipe.baselines[each] for each in ("f0", "rae", "lm"))
    assert f0.parts["prior"]["name"] == "gaussian"
    assert f0.parts["decoder"] == recipe.parts["decoder"]
    assert rae.parts["prior"]["name"] == "mixture"
    assert rae.learning["decoder"]["name"] == "autoencoder"
    assert lm.parts["prior"]["latent_dim"] == 0 and lm.parts["encoder"] is None


@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_every_preset_and_baseline_of_control_resolves(preset):
    recipe = resolved("control-yelp", preset)
    assert recipe.parts["prior"]["name"] == "coupled"
    assert recipe.learning["symbols"]["labels"] == 0
    assert list(build_metrics(recipe)) == ["text.control", "chain"]
    assert set(recipe.baselines) == {"f0", "lm", "unfinished"}
    f0, lm, unfinished = (recipe.baselines[each] for each in ("f0", "lm", "unfinished"))
    assert f0.parts["prior"]["name"] == "gaussian"
    assert f0.parts["decoder"] == recipe.parts["decoder"]
    assert lm.parts["prior"]["latent_dim"] == 0 and lm.parts["encoder"] is None
    assert unfinished.learning["refit"]["steps"] == 0
    assert unfinished.parts["prior"] == recipe.parts["prior"]
    assert recipe.published["SVEBM-IB"]["accuracy_negative_greedy"] == 0.852


@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_every_preset_and_baseline_of_discovery_resolves(preset):
    recipe = resolved("discover-dailydialog", preset)
    assert list(build_metrics(recipe)) == ["text.discovery", "text.reconstruction", "chain"]
    assert set(recipe.baselines) == {"vae", "svebm"}
    symbols = recipe.learning["symbols"]
    assert symbols["information"] >= 50 and symbols["labels"] == 0
    svebm = recipe.baselines["svebm"].learning["symbols"]
    assert svebm["information"] == svebm["vat"] == 0
    assert recipe.baselines["vae"].parts["prior"]["name"] == "gaussian"


@pytest.mark.parametrize(("name", "preset"), LABELLED)
def test_every_preset_and_baseline_of_few_labels_resolves(name, preset):
    recipe = resolved(name, preset)
    assert recipe.parts["prior"]["name"] == "coupled"
    few = (name, preset) == ("semi-yelp", "smoke")  # which has 600 sentences
    assert recipe.learning["symbols"]["labels"] == (100 if few else FEW_LABELS[name])
    assert list(build_metrics(recipe)) == ["labels.accuracy", "chain"]
    assert set(recipe.baselines) == {"labels_only", "vae", "m2"}
    for each in ("labels_only", "m2"):
        symbols = recipe.baselines[each].learning["symbols"]
        assert symbols["information"] == symbols["vat"] == 0
    assert recipe.baselines["vae"].parts["prior"]["name"] == "gaussian"
    m2 = recipe.baselines["m2"].learning
    assert (m2["prior"]["name"], m2["decoder"]["encoder_tilt"]) == ("none", 0)


def test_the_paper_preset_of_the_treebank_is_what_was_published():
    recipe = load("text-ptb", "paper")
    prior = recipe.parts["prior"]
    chain = prior["sampler"]
    assert (chain["steps"], chain["step_size"], prior["latent_dim"]) == (40, 0.5, 32)
    assert not prior["bound"] and prior["energy"]["hidden"] == [200, 200]
    assert recipe.learning["decoder"]["name"] == "mcmc"
    assert recipe.learning["prior"]["name"] == "short-run"
    inference = recipe.parts["inference"]["sampler"]
    assert (inference["steps"], inference["noise"]) == (20, 0.0)
    assert recipe.parts["encoder"] is None and recipe.parts["decoder"]["hidden"] == 512
    decoder, tilt = recipe.training.of("decoder"), recipe.training.of("prior")
    assert (decoder.lr, tilt.lr) == (1e-3, 1e-4) and (decoder.clip, tilt.clip) == (5.0, 1.0)


def test_the_paper_preset_of_discovery_is_what_was_published():
    recipe = load("discover-dailydialog", "paper")
    prior = recipe.parts["prior"]
    chain = prior["sampler"]
    assert (prior["n_classes"], chain["steps"], chain["step_size"]) == (125, 40, 0.5)
    assert recipe.parts["encoder"]["hidden"] == 1024 and recipe.parts["decoder"]["cell"] == "lstm"
    rule = recipe.learning["decoder"]
    assert (rule["kl_cycles"], rule["kl_weight"], rule["encoder_tilt"]) == (10, 0.5, 0)
    assert recipe.data["batch_size"] == 30
    symbols = recipe.learning["symbols"]
    assert (symbols["information"], symbols["vat"]) == (50, 0)
    assert recipe.published["SVEBM-IB"]["information_30"] == 2.42


def test_the_paper_preset_of_agnews_is_what_was_published():
    recipe = load("semi-agnews", "paper")
    assert recipe.parts["decoder"]["hidden"] == [2000] * 3
    assert recipe.parts["encoder"]["hidden"] == [2000] * 2
    prior = recipe.parts["prior"]
    chain = prior["sampler"]
    assert (prior["latent_dim"], chain["steps"], chain["step_size"]) == (100, 100, 0.4)
    symbols = recipe.learning["symbols"]
    assert symbols["weight"] == 200 and symbols["information"] == 100 and symbols["vat"] == 0
    assert recipe.training.epochs == 201
    assert recipe.published["VAMPIRE"] == {"accuracy": 0.819}


def test_published_rows():
    assert load("text-ptb").published["LEBM"] == {"fppl": 107.45, "rppl": 181.54, "nll": 91.35}
    assert load("text-yahoo").published["real data"] == {"fppl": 60.04}
    assert load("text-snli").published["ARAE"]["rppl"] == 82.20
