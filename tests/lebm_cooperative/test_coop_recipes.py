"""Recipes of cooperative learning: what their baselines keep of the model's options."""

from __future__ import annotations

from pathlib import Path

from lebm_core.run.config.recipe import dump, load


def test_a_baseline_of_another_family_has_no_rate_of_a_part_that_is_gone(tmp_path: Path) -> None:
    recipe = load("coop-8gaussians", "cpu")
    assert set(recipe.training.parts) == {"decoder", "descriptor"}
    assert set(recipe.baselines["descriptor"].training.parts) == {"prior"}
    assert set(recipe.baselines["generator"].training.parts) == {"decoder", "encoder"}
    assert recipe.baselines["start"].weights == "model"
    file = tmp_path / "again.toml"
    file.write_text(dump(recipe))
    assert load(file).baselines == recipe.baselines
