"""The recipes of energies in data space: their presets, and published settings in our units."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lebm_core.run.build import check_recipe
from lebm_core.run.config.recipe import Recipe, load

NAMES = (
    "ebm-rings", "ebm-8gaussians", "ebm-digits", "ebm-textures", "ebm-patches", "ebm-frame",
    "ebm-classify-digits", "ebm-video", "ebm-voxels", "ebm-points", "rbm-digits", "rbm-bars",
    "control-driving", "ebm-mnist", "ebm-cifar10",
)  # fmt: skip
GREY = 127.5  # grey levels in a unit of x, for data from -1 to 1


def published(name: str) -> tuple[dict[str, Any], dict[str, Any], Recipe]:
    """The prior, its sampler and the recipe of the preset `paper`."""
    recipe = load(name, "paper")
    prior = recipe.parts["prior"] or {}
    return prior, prior["sampler"], recipe


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_every_preset_and_baseline_resolves(name: str, preset: str) -> None:
    recipe = load(name, preset)
    check_recipe(recipe)
    for baseline, changed in recipe.baselines.items():
        check_recipe(changed, baseline)


@pytest.mark.parametrize("name", NAMES)
def test_published_settings_have_nothing_left_of_ours(name: str) -> None:
    """What is no part of a published method would make its figures ours."""
    prior, _, recipe = published(name)
    symbols, training = recipe.learning["symbols"], recipe.training
    assert not prior.get("bound") and not symbols["information"] and not symbols["vat"]
    assert training.precision == "no" and "level" not in recipe.learning["prior"]["name"]


@pytest.mark.parametrize("name", ["ebm-textures", "ebm-video"])
def test_grey_levels_become_units_of_x(name: str) -> None:
    """Published: p0 of 1 and steps of .3 grey levels (Xie et al. 2016, 2017)."""
    prior, sampler, _ = published(name)
    assert prior["reference_std"] * GREY == pytest.approx(1.0, rel=1e-3)
    assert sampler["step_size"] * GREY == pytest.approx(0.3, rel=2e-3)


def test_steps_of_implicit_generation_become_those_of_our_box() -> None:
    """Published: x <- x + 10 df/dx + .005 eps, for x from 0 to 1 (Du and Mordatch 2019)."""
    prior, sampler, recipe = published("ebm-digits")
    step = sampler["step_size"]
    # u = 2 x - 1, so df/dx = 2 df/du and a move of x is one of 2 in u.
    assert step**2 / 2 == pytest.approx(2 * 10 * 2, rel=2e-3)
    assert step * sampler["noise"] == pytest.approx(2 * 0.005, rel=2e-3)
    # A slope of at most .01 in x moves a pixel by .2 in u, all 64 by the root of 64 as much.
    assert step**2 / 2 * prior["energy"]["clip"] == pytest.approx(0.2 * math.sqrt(64), rel=2e-3)
    cold = recipe.baselines["cold"].parts["prior"] or {}
    assert cold["sampler"]["step_size"] ** 2 / 2 == pytest.approx(1, rel=1e-3)


def test_joint_energy_model_moves_by_the_slope() -> None:
    """Published: x <- x + df/dx + .01 eps (Grathwohl et al. 2020)."""
    _, sampler, recipe = published("ebm-classify-digits")
    assert sampler["step_size"] ** 2 / 2 == pytest.approx(1, rel=1e-3)
    assert sampler["step_size"] * sampler["noise"] == pytest.approx(0.01, rel=1e-3)
    assert recipe.learning["symbols"]["weight"] == 1 and not recipe.learning["symbols"]["labels"]


def test_the_rate_of_points_falls_by_a_five_hundredth_every_ten_updates() -> None:
    recipe = load("ebm-points", "paper")
    updates = -(-recipe.data["train"] // recipe.data["batch_size"])  # of an epoch
    assert recipe.training.decay == pytest.approx(0.998 ** (updates / 10), abs=1e-4)
