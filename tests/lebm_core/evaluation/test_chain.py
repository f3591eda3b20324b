"""The diagnostics of the prior's chain that every run has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lebm_core import EBMPrior, GaussianPrior
from lebm_core.contracts import toys
from lebm_core.evaluation.chain import chain


def measured(
    folder: Path, sampler: dict[str, object], scale: float = 1.0, bound: float = 10.0
) -> dict[str, object]:
    torch.manual_seed(0)
    prior = EBMPrior(2, energy={"hidden": [8]}, sampler=sampler, bound=bound)
    with torch.no_grad():
        for p in prior.parameters():
            p.mul_(scale)
    model = toys.latent_model(prior).eval()
    return dict(chain()(toys.evaluation(folder, model, toys.Points(400))))


def test_a_good_chain_is_told_from_a_bad_one(tmp_path: Path) -> None:
    good = measured(tmp_path, {"name": "mala", "steps": 400, "step_size": 1.0})
    stuck = measured(tmp_path, {"name": "mala", "steps": 400, "step_size": 0.01})
    assert good["r_hat"].value < 1.05 < 1.5 < stuck["r_hat"].value
    assert good["chain_ess"].value > 20 > 2 > stuck["chain_ess"].value
    assert 0.3 < good["acceptance"].value < 1 and stuck["acceptance"].value > 0.999
    assert good["energy_gap"].standard_error > 0
    assert good["energy_gap"].extra == {"sampler": "MALA", "step size": 1.0}


def test_chains_and_codes_that_lie_apart_have_a_gap(tmp_path: Path) -> None:
    """The codes of an untrained encoder lie about 0; a steep f takes the chains away from there."""
    flat = measured(tmp_path, {"steps": 50}, scale=0.01)["energy_gap"]
    steep = measured(tmp_path, {"steps": 50}, scale=4.0)["energy_gap"]
    assert abs(flat.value) < 0.01
    assert steep.value < -5 * steep.standard_error


def test_what_each_sampler_tells(tmp_path: Path) -> None:
    assert set(measured(tmp_path, {"steps": 5})) == {"energy_gap"}  # too short for the rest
    tempered = measured(tmp_path, {"name": "tempering", "steps": 60})
    assert 0 < tempered["exchange"].value <= 1 and tempered["energy_gap"].extra["step size"] > 0
    drawn = measured(tmp_path, {"name": "resampling"})
    assert set(drawn) == {"energy_gap", "effective"} and drawn["effective"].value > 100
    refused = measured(tmp_path, {"name": "resampling", "candidates": 2}, scale=9.0, bound=0.0)
    assert "candidates" in refused["energy_gap"].refused


def test_a_model_without_a_chain_has_none(tmp_path: Path) -> None:
    model = toys.latent_model(GaussianPrior(2)).eval()
    assert chain()(toys.evaluation(tmp_path, model)) == {}
    assert chain(chains=0)(toys.evaluation(tmp_path)) == {}


@pytest.mark.parametrize("recipe", ["synthetic-8gaussians", "text-pydocs"])
def test_every_recipe_has_it(recipe: str) -> None:
    from lebm_core.run.build import build_metrics
    from lebm_core.run.config.recipe import load

    assert "chain" in build_metrics(load(recipe, "smoke"))
