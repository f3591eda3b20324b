"""Baselines of a recipe: resolved with it, reached by presets and overrides, no longer trained."""

from __future__ import annotations

import pytest

from lebm_core.errors import UsageError
from lebm_core.run.config.recipe import apply, load, metric_options


def test_baselines_are_recipes_and_a_preset_selects_and_changes_them(path):
    found = load(path)
    assert found.evaluation["baselines"] == list(found.baselines) == ["f0", "wide"]
    f0, wide = found.baselines["f0"], found.baselines["wide"]
    assert f0.parts["prior"] == {"name": "gaussian", "latent_dim": 4, "reference_std": 1.0}
    assert f0.training.epochs == 50 and wide.training.epochs == 10
    assert wide.parts["decoder"]["hidden"] == (64,) and wide.parts["prior"]["bound"] == 5.0
    assert f0.baselines == {} and f0.evaluation["baselines"] == []
    smoke = load(path, "smoke")
    assert list(smoke.baselines) == ["f0"] and smoke.baselines["f0"].seed == 5
    assert smoke.evaluation["baselines"] == ["f0", "toyrecipe.mean"]
    assert found.parts["prior"]["name"] == "ebm" and found.training.epochs == 10


def test_presets_and_overrides_reach_into_baselines(path):
    found = load(path, "cpu", ["decoder.dropout=0.5", "baseline.wide.decoder.hidden=[3]"])
    f0, wide = found.baselines["f0"], found.baselines["wide"]
    assert wide.parts["prior"]["sampler"]["steps"] == 20
    assert f0.parts["decoder"]["dropout"] == wide.parts["decoder"]["dropout"] == 0.5
    assert wide.parts["decoder"]["hidden"] == (3,)
    assert f0.parts["decoder"]["hidden"] == (8, 8)


def test_what_makes_a_baseline_is_its_own_table(path):
    coupled = load(path, None, ["prior.name=coupled", "decoder.hidden=[5]"])
    assert coupled.baselines["f0"].parts["prior"]["name"] == "gaussian"
    assert coupled.baselines["wide"].parts["prior"]["name"] == "coupled"
    assert coupled.baselines["wide"].parts["decoder"]["hidden"] == (64,)


def test_a_baseline_trains_no_longer_than_a_preset_or_an_override_says(path):
    assert load(path, "cpu").baselines["f0"].training.epochs == 50
    assert load(path, "smoke").baselines["f0"].training.epochs == 1
    assert load(path, None, ["training.epochs=2"]).baselines["f0"].training.epochs == 2
    assert load(path, None, ["training.epochs=200"]).baselines["f0"].training.epochs == 50
    own = ["training.epochs=2", "baseline.f0.training.epochs=7"]
    assert load(path, None, own).baselines["f0"].training.epochs == 7
    both = load(path, "smoke", ["evaluation.baselines=[f0,wide]"])
    assert both.baselines["wide"].training.epochs == 2  # the preset says so of it
    assert both.baselines["f0"].training.epochs == 1


def test_registered_baselines_have_their_options_in_the_evaluation_table(path):
    assert "trim" not in load(path).evaluation
    smoke = load(path, "smoke", ["evaluation.trim=0.2"])
    assert metric_options(smoke, "toyrecipe.mean", "baselines") == {"trim": 0.2}
    assert smoke.baselines["f0"].evaluation["baselines"] == ["toyrecipe.mean"]
    assert load(path, None, ["evaluation.baselines=[]"]).baselines == {}


def test_a_recipe_without_baselines_takes_other_values_too(path):
    text = path.read_text()
    path.write_text(text[: text.index("[baseline.f0]")])
    found = load(path)
    assert found.baselines == {} and apply(found, {"training.epochs": 7}).training.epochs == 7


def test_other_values_of_a_resolved_recipe_reach_its_baselines(path):
    found = apply(load(path), {"seed": 3, "training.epochs": 2})
    assert [b.seed for b in found.baselines.values()] == [3, 3]
    assert [b.training.epochs for b in found.baselines.values()] == [2, 2]


@pytest.mark.parametrize(
    ("old", "new", "preset", "words"),
    [
        ('"prior.name" =', '"prior.nam" =', None, ["line 36", 'no option "prior.nam"']),
        ('["f0", "toyrecipe.mean"]', '["f1"]', "smoke", ['"f1"', "Known: f0, wide, "]),
        ("[baseline.wide]", '[baseline."w/e"]', None, ["line 40", 'called "w/e"']),
        ("[baseline.wide]", "[baseline.model]", None, ["line 40", 'called "model"']),
        ("[baseline.wide]", "[baseline.logistic]", None, ['called "logistic"']),
        ("baseline.wide.", "baseline.widt.", "smoke", ["line 47", 'no baseline "widt"']),
        ('baseline.f0."seed"', 'baseline.f0."sed"', "smoke", ["line 48", 'mean "seed"']),
    ],
)
def test_a_mistake_in_a_baseline_is_one_sentence(rewrite, old, new, preset, words):
    with pytest.raises(UsageError) as error:
        load(rewrite(old, new), preset)
    for word in words:
        assert word in str(error.value), str(error.value)
    assert "\n" not in str(error.value)


def test_a_baseline_is_a_table(path):
    with pytest.raises(UsageError, match=r"a baseline is a table, \[baseline.NAME\]"):
        load(path, None, ["baseline.f0=3"])
    with pytest.raises(UsageError, match='"baseline.other.seed=3": there is no baseline "other"'):
        load(path, None, ["baseline.other.seed=3", "evaluation.baselines=[f0]"])
