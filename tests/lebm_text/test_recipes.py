from __future__ import annotations

import pytest

from lebm_core.run.build import build_metrics, check_recipe
from lebm_core.run.old.recipe import apply, load

PRESETS = [
    (name, preset)
    for name in ("text-ptb", "text-snli", "text-yahoo", "text-pydocs")
    for preset in ("paper", "cpu", "smoke")
    if (name, preset) != ("text-pydocs", "paper")
]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_and_control_resolves(name, preset):
    recipe = load(name, preset)
    check_recipe(recipe)
    assert set(recipe.controls) == {"f0", "rae", "lm"}
    assert len(build_metrics(recipe)) == 6
    f0, rae, lm = (apply(recipe, recipe.controls[c]) for c in ("f0", "rae", "lm"))
    for control, each in (("f0", f0), ("rae", rae), ("lm", lm)):
        check_recipe(each, control)
    assert f0.prior.kind == "gaussian" and f0.decoder == recipe.decoder
    assert rae.prior.kind == "mixture" and rae.learning.decoder == "autoencoder"
    assert lm.prior.latent_dim == 0 and lm.encoder["name"] == ""


def test_the_paper_preset_is_what_was_published():
    recipe = load("text-ptb", "paper")
    assert (recipe.prior.steps, recipe.prior.step_size, recipe.prior.latent_dim) == (40, 0.5, 32)
    assert recipe.prior.bound == 0 and recipe.prior.hidden == [200, 200]
    assert recipe.learning.decoder == "mcmc" and recipe.learning.tilt == "short-run"
    assert (recipe.inference.steps, recipe.inference.noise) == (20, 0.0)
    assert recipe.encoder["name"] == "" and recipe.decoder["hidden"] == 512
    assert (recipe.training.lr_decoder, recipe.training.lr_prior) == (1e-3, 1e-4)
    assert (recipe.training.clip_decoder, recipe.training.clip_prior) == (5.0, 1.0)


def test_published_rows():
    assert load("text-ptb").published["LEBM"] == {"fppl": 107.45, "rppl": 181.54, "nll": 91.35}
    assert load("text-yahoo").published["real data"] == {"fppl": 60.04}
    assert load("text-snli").published["ARAE"]["rppl"] == 82.20
