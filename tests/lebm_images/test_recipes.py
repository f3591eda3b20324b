"""The recipes of images, run whole on the digits that need no download."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lebm_core import Dataset, Run, run_recipe
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation, Metric
from lebm_core.run.build import check_recipe
from lebm_core.run.config.recipe import Recipe, load
from lebm_images.data.sources import digits
from lebm_images.metrics import anomaly, composition, control, frechet, reconstruction

NAMES = [
    f"image-{data}" for data in ("digits", "mnist", "cifar10", "svhn", "celeba", "eurosat")
] + ["anomaly-mnist"]  # fmt: skip


def checked(name: str, preset: str) -> Recipe:
    """A recipe, checked with all its baselines."""
    recipe = load(name, preset)
    check_recipe(recipe)
    for baseline, changed in recipe.baselines.items():
        check_recipe(changed, baseline)
    return recipe


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_every_preset_and_baseline_resolves(name: str, preset: str) -> None:
    if (name, preset) == ("image-digits", "paper"):
        pytest.skip("nobody published the digits")
    recipe = checked(name, preset)
    f0, prior = recipe.baselines["f0"], recipe.parts["prior"] or {}
    # The same network; chains need a fixed sigma, which an encoder does not.
    same = [{**(r.parts["decoder"] or {}), "learn_sigma": False} for r in (f0, recipe)]
    assert (f0.parts["prior"] or {})["name"] == "gaussian" and same[0] == same[1]
    if preset == "paper":  # the published models have no encoder
        assert recipe.parts["encoder"] is None and recipe.learning["decoder"]["name"] == "mcmc"
        assert not prior["bound"] and recipe.learning["refit"]["steps"] == 0


def test_f_0_of_the_ladder_is_its_own_encoder_and_decoder() -> None:
    """f is learned after them, so that their f = 0 figures are the scores without the tilt."""
    for preset in ("cpu", "smoke"):
        recipe = checked("anomaly-mnist-ladder", preset)
        assert recipe.learning["prior"]["name"] == "none"
        assert recipe.learning["decoder"]["encoder_tilt"] == 0
    f0 = recipe.baselines["f0"]
    assert (f0.parts["prior"] or {})["name"] == "gaussian"
    for part in ("encoder", "decoder"):
        assert f0.parts[part] == recipe.parts[part]


@pytest.mark.parametrize("data", ["digits", "mnist", "cifar10", "svhn"])
@pytest.mark.parametrize("preset", ["cpu", "smoke"])
def test_recipes_of_few_labels_resolve_with_their_baselines(data: str, preset: str) -> None:
    recipe = checked(f"semi-{data}", preset)
    m2 = recipe.baselines["m2"]
    assert m2.learning["prior"]["name"] == "none"
    assert (m2.parts["prior"] or {})["name"] == "coupled"
    assert m2.learning["symbols"]["weight"] == recipe.learning["symbols"]["weight"]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("LEBM_DATA"), reason="LEBM_DATA holds MNIST and CIFAR-10")
@pytest.mark.parametrize("data", ["mnist", pytest.param("cifar10", marks=pytest.mark.slow)])
def test_few_labels_of_real_images(data: str, tmp_path: Path) -> None:
    metric = "evaluation.metrics=[labels.accuracy]"
    few = ["training.max_steps=5", "evaluation.baselines=[m2,logistic]", metric]
    run = run_recipe(f"semi-{data}", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    assert run.results["model"]["accuracy"].n == 500
    assert run.results["m2"]["accuracy"].value is not None
    # 100 labelled images tell a digit or a thing better than chance, without any training.
    assert run.results["logistic"]["accuracy"].value > 0.15


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The digits, the model alone."""
    few = [
        "training.epochs=6", "decoder.width=0.5", "evaluation.baselines=[]", "evaluation.metrics=[]"
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("digits") / "run"
    return run_recipe("image-digits", "smoke", few, out=folder, log=lambda line: None)


@pytest.mark.slow
def test_digits_from_data_to_report(tmp_path: Path) -> None:
    few = [
        "evaluation.baselines=[short_run,rae]", "training.epochs=6", "decoder.width=0.5",
        "baseline.short_run.training.max_steps=5", "baseline.rae.training.max_steps=5",
        "baseline.short_run.decoder.width=0.25", "baseline.rae.decoder.width=0.25",
    ]  # fmt: skip
    run = run_recipe("image-digits", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert row["mse"].value is not None and row["mse"].value > 0
    assert row["frechet_distance"].value is not None
    assert 0 <= row["precision"].value <= 1
    assert set(run.results) >= {"model", "short_run", "rae", "aggregate", "real"}
    figures = {p.name for p in (run.folder / "figures").iterdir()}
    assert figures >= {"samples.png", "reconstructions.png", "interpolation.png", "chain.png"}
    drawn = np.load(run.folder / "samples.npz")["x"]
    assert drawn.dtype == np.uint8 and drawn.shape[1:] == (8, 8, 1)


def test_an_image_is_completed_from_its_upper_half(run: Run, tmp_path: Path) -> None:
    """The given half is kept, and the hidden half is about as near as the mean image."""
    data = digits(files=DataFiles(tmp_path), seed=0)  # the split of the recipe, whose seed is 0
    x = data.batch("test", torch.arange(50)).x
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, :, :4] = True
    model, generator = run.model, torch.Generator().manual_seed(0)
    done = model.complete(x, mask, generator=generator)
    assert done.shape == x.shape
    assert torch.equal(done[mask], x[mask])
    mean = data.batch("train", torch.arange(500)).x.mean(0)
    hidden = ~mask
    error = (done - x)[hidden].square().mean()
    assert float(error) < 1.5 * float((mean.expand_as(x) - x)[hidden].square().mean())


@pytest.mark.parametrize(
    "build",
    [frechet.build, reconstruction.build, anomaly.build, control.build, composition.build],
)
def test_a_metric_of_images_refuses_other_data(build: Callable[[], Metric], run: Run) -> None:
    class Other(Dataset):
        pass

    Other.__abstractmethods__ = frozenset()
    evaluation = Evaluation(
        run.model,
        Other(),
        "test",
        torch.Generator(),
        0,
        run.folder,
        run.folder,
        None,
        print,  # type: ignore[abstract]
    )
    with pytest.raises(UsageError, match=r"images\.\w+ needs a data set of the class ImageDataset"):
        build()(evaluation)
