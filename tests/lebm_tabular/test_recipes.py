"""Recipes of vectors: synthetic ones at their last iterate, and few labels in public tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lebm_core import run_recipe
from lebm_core.run.artifacts import load_model
from lebm_core.run.build import build_dataset, check_recipe
from lebm_core.run.config.recipe import load
from lebm_core.run.stages import Part, train_part
from lebm_tabular.data.synthetic import Synthetic


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("baseline", ["vae_ebm", "mcmc_ebm"])
@pytest.mark.parametrize("name", ["synthetic-8gaussians", "synthetic-pinwheel"])
def test_a_whole_model_keeps_every_mode(
    name: str, baseline: str, seed: int, tmp_path: Path
) -> None:
    recipe = load(name, "cpu", [f"seed={seed}"]).baselines[baseline]
    data = build_dataset(recipe, None)
    assert isinstance(data, Synthetic)
    train_part(Part(baseline, tmp_path, recipe, data), resume=False, main=True, log=print)
    n = 8_000  # a mode's share is then known within a thirtieth of itself
    x = load_model(tmp_path).sample(n, generator=torch.Generator().manual_seed(seed))
    mode, distance = data.distance(x)
    share = torch.bincount(mode[distance < 3], minlength=data.modes) / n
    rarest = float(share.min()) * data.modes
    print(f"{name} {baseline} seed {seed}: the rarest mode has {rarest:.2f} of its share")  # -rP
    assert rarest > 0.5


def test_codes_of_three_dimensions_are_judged_and_drawn(tmp_path: Path) -> None:
    """Their log Z is not by quadrature, and the figure shows two coordinates."""
    few = [
        "evaluation.baselines=[]", "model.name=latent-ebm", "prior.latent_dim=3",
        "prior.energy.hidden=[16]", "prior.sampler.name=mala", "decoder.name=tabular",
        "encoder.name=tabular", "learning.name=two-part", "learning.decoder.name=variational",
        "training.max_steps=5", "evaluation.samples=50", "evaluation.draws=10",
    ]  # fmt: skip
    run = run_recipe(
        "synthetic-8gaussians", "smoke", few, out=tmp_path / "run", log=lambda line: None
    )
    value = run.results["model"]["log_likelihood"]
    assert value.value is not None
    assert value.definition.endswith("log Z by importance")
    assert (tmp_path / "run" / "figures" / "densities.png").is_file()


SEMI = ["semi-protein", "semi-hepmass", "semi-miniboone"]
BASELINES = {  # of the row that is checked; the tables are alike
    "semi-protein": ["labels_only", "vae", "m2", "logistic", "self_training", "spreading"],
    "semi-hepmass": ["m2", "logistic"],
    "semi-miniboone": ["logistic"],
}
FEW = {
    "semi-protein": ["data.valid=30", "data.classes=4", "learning.symbols.labels=12"],
    "semi-hepmass": ["data.train_rows=40", "data.valid=10", "data.test_rows=20"],
    "semi-miniboone": ["data.train_rows=40", "data.valid=10", "data.test_rows=20"],
}


@pytest.mark.parametrize("name", SEMI)
def test_every_preset_and_baseline_resolves(name: str) -> None:
    for preset in ("cpu", "smoke"):
        recipe = load(name, preset)
        check_recipe(recipe)
        for baseline, changed in recipe.baselines.items():
            check_recipe(changed, baseline)
    m2, symbols = recipe.baselines["m2"].learning, recipe.learning["symbols"]
    assert m2["prior"]["name"] == "none" and m2["decoder"]["encoder_tilt"] == 0
    assert m2["symbols"]["vat"] == m2["symbols"]["information"] == 0
    assert m2["symbols"]["weight"] == symbols["weight"]


@pytest.mark.parametrize("name", SEMI)
def test_few_labels_from_data_to_report(name: str, layouts: Any, tmp_path: Path) -> None:
    getattr(layouts, name.removeprefix("semi-"))(tmp_path / "data")
    names = ",".join(BASELINES[name])
    few = [*FEW[name], "training.max_steps=5", f"evaluation.baselines=[{names}]"]
    run = run_recipe(
        name, "smoke", few, data_dir=tmp_path / "data", out=tmp_path / "run",
        log=lambda line: None,
    )  # fmt: skip
    for row in ("model", *BASELINES[name]):
        value = run.results[row]["accuracy"].value
        assert value is not None and 0 <= value <= 1, row
    drawn = np.loadtxt(tmp_path / "run" / "samples.csv", delimiter=",", skiprows=1)
    assert drawn.shape == (50, {"protein": 9, "hepmass": 27, "miniboone": 50}[name[5:]])


def test_a_table_of_ones_own_with_holes(tmp_path: Path) -> None:
    """A class is told by one column; a third of the values are missing."""
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = random.normal(size=(400, 3)) + 4 * y[:, None] * [1, 0, 0]
    text = np.where(random.random(x.shape) < 0.3, "", np.round(x, 3).astype(str))
    label = np.where(np.arange(400) % 3 == 0, np.char.add("c", y.astype(str)), "")
    lines = [",".join([*row, name]) for row, name in zip(text, label, strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,c,label", *lines]))
    few = [
        f"data.source={tmp_path / 'mine.csv'}", "data.name=tabular.file",
        "learning.symbols.labels=60", "training.epochs=60", "training.max_steps=none",
        "evaluation.baselines=[logistic]", "data.test=0.3", "training.parts.encoder.lr=1e-2",
        "training.parts.prior.lr=1e-2",
    ]  # fmt: skip
    run = run_recipe("semi-protein", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert row["accuracy"].value is not None and row["accuracy"].value > 0.7
    assert run.results["logistic"]["accuracy"].value is not None
    assert "nan" not in (tmp_path / "run" / "samples.csv").read_text()
