"""The synthetic recipes: whole models at their last iterate, and codes of three dimensions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lebm_core import run_recipe
from lebm_core.run.build import build_dataset
from lebm_core.run.recipe import apply, load
from lebm_core.run.saved import load_model
from lebm_core.run.stages import Part, train_part
from lebm_tabular.synthetic import Synthetic


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("control", ["vae_ebm", "mcmc_ebm"])
@pytest.mark.parametrize("name", ["synthetic-8gaussians", "synthetic-pinwheel"])
def test_a_whole_model_keeps_every_mode(
    name: str, control: str, seed: int, tmp_path: Path
) -> None:
    recipe = load(name, "cpu", [f"seed={seed}"])
    recipe = apply(recipe, recipe.controls[control])
    data = build_dataset(recipe, None)
    assert isinstance(data, Synthetic)
    train_part(Part(control, tmp_path, recipe, data), resume=False, main=True, log=print)
    n = 8_000  # a mode's share is then known within a thirtieth of itself
    x = load_model(tmp_path).sample(n, generator=torch.Generator().manual_seed(seed))
    mode, distance = data.distance(x)
    share = torch.bincount(mode[distance < 3], minlength=data.modes) / n
    rarest = float(share.min()) * data.modes
    print(f"{name} {control} seed {seed}: the rarest mode has {rarest:.2f} of its share")  # -rP
    assert rarest > 0.5


def test_codes_of_three_dimensions_are_judged_and_drawn(tmp_path: Path) -> None:
    """Their log Z is no quadrature's, and a picture shows two of them."""
    few = [
        "evaluation.controls=[]", "prior.latent_dim=3", "prior.hidden=[16]", "decoder.name=tabular",
        "encoder.name=tabular", "learning.decoder=variational", "training.max_steps=5",
        "evaluation.samples=50",
    ]  # fmt: skip
    run = run_recipe(
        "synthetic-8gaussians", "smoke", few, out=tmp_path / "run", log=lambda line: None
    )
    value = run.results["model"]["log_likelihood"]
    assert value.value is not None
    assert value.definition.endswith("log Z by importance")
    assert (tmp_path / "run" / "figures" / "densities.png").is_file()
