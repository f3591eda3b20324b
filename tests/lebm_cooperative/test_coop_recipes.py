"""Recipes of cooperative learning: what their baselines keep of the model's options."""

from __future__ import annotations

from pathlib import Path

import pytest

from lebm_core.errors import UsageError
from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import dump, load
from lebm_core.run.rehearsal import rehearse


def test_a_baseline_of_another_family_has_no_rate_of_a_part_that_is_gone(tmp_path: Path) -> None:
    recipe = load("coop-8gaussians", "cpu")
    assert set(recipe.training.parts) == {"decoder", "descriptor"}
    assert set(recipe.baselines["descriptor"].training.parts) == {"prior"}
    assert set(recipe.baselines["generator"].training.parts) == {"decoder", "encoder"}
    assert recipe.baselines["start"].weights == "model"
    file = tmp_path / "again.toml"
    file.write_text(dump(recipe))
    assert load(file).baselines == recipe.baselines


def test_every_row_of_digits_by_adversaries_passes_the_rehearsal() -> None:
    """Some descriptors are of convolutions, and are sized by x where the prior is sized by z."""
    recipe = load("gan-digits", "smoke")
    dataset = build_dataset(recipe, None)
    for name, row in recipe.baselines.items():
        rehearse(row, dataset, name)
    wrong = load("gan-digits", "smoke", ["descriptor.energy={name='convolution', shape=[1, 4, 4]}"])
    with pytest.raises(UsageError, match="16 numbers"):
        rehearse(wrong, dataset, "model")
