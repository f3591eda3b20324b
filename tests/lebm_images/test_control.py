"""images.control and images.composition: what they say of samples whose class is known."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lebm_core import (
    CoupledPrior,
    Decoder,
    GaussianPrior,
    LatentEBM,
    Prior,
    fit_property,
    run_recipe,
)
from lebm_core.control.heads import PropertyHeads
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.run.build import check_recipe
from lebm_core.run.old.recipe import apply, load
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.evaluators.class_classifier import JUDGE_OPTIONS, Judge
from lebm_images.metrics.class_scores import jackknife
from lebm_images.metrics.composition import build as composition
from lebm_images.metrics.control import build, of_classes, thinned
from lebm_images.metrics.frechet import frechet_distance
from lebm_images.metrics.property_scores import NEAR, Obeyed
from lebm_images.networks.encoder import ConvEncoder
from lebm_images.networks.likelihoods import GaussianImage

SIDES = ("left", "right")


class TwoSides(Decoder):
    """A patch of light to the left where z_0 < 0 and to the right elsewhere, as bright as z_1 says.

    Args:
        latent_dim: d.
    """

    def __init__(self, latent_dim: int = 2) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def forward(self, z: Tensor, context: Tensor | None = None) -> GaussianImage:
        light = -1 + 2 * (0.5 + 0.4 * torch.tanh(z[:, 1]))
        x = -torch.ones(len(z), 1, 8, 8)
        right = z[:, 0] >= 0
        x[~right, :, 2:6, 1:4] = light[~right, None, None, None]
        x[right, :, 2:6, 4:7] = light[right, None, None, None]
        return GaussianImage(x, torch.tensor(0.1))


def two_sides(n: int = 600) -> ImageDataset:
    """Images of the model itself, with z ~ N(0, I): a third to the left."""
    pixels, labels = {}, {}
    for k, split in enumerate(("train", "valid", "test")):
        z = torch.randn(n, 2, generator=torch.Generator().manual_seed(k))
        y = (torch.arange(n) % 3 != 0).long()
        z[:, 0] = z[:, 0].abs() * (2 * y - 1)
        x = TwoSides()(z).mean.add(1).mul(127.5).round().to(torch.uint8)
        pixels[split], labels[split] = ArrayPixels(x.permute(0, 2, 3, 1).numpy()), y
    return ImageDataset(pixels, 1, 8, {"source": "two sides"}, labels, SIDES)  # type: ignore[arg-type]


def prior_of_two_sides() -> CoupledPrior:
    """F_left = -4 z_0, F_right = 4 z_0, all but exactly: f is 4 |z_0|, p(y | z) is sure."""
    prior = CoupledPrior(2, 2, (4,), "leaky_relu", steps=30, step_size=0.3, bound=0)
    linear = [m for m in prior.modules() if isinstance(m, nn.Linear)]
    assert len(linear) == 2
    with torch.no_grad():
        for layer in linear:
            layer.weight.zero_()
            layer.bias.zero_()
        linear[0].weight[:2, 0] = torch.tensor([1.0, -1.0])
        linear[1].weight[:, :2] = 4 * torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
    return prior


def evaluation_of(
    folder: Path, prior: Prior | None = None, name: str = "model", data: ImageDataset | None = None
) -> Evaluation:
    """The model of two sides, with a head for brightness."""
    prior = prior_of_two_sides() if prior is None else prior
    torch.manual_seed(0)
    model = LatentEBM(prior, TwoSides(), ConvEncoder(2, 1, 8, 4)).eval()
    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(9))
    bright = (TwoSides()(z).mean.flatten(1).mean(1) + 1) / 2
    generator = torch.Generator().manual_seed(0)
    fit_property(model, "brightness", z, bright, steps=500, generator=generator)
    data = two_sides() if data is None else data
    rest: dict[str, Any] = {"recipe": None, "log": lambda line: None, "cache": folder}
    return Evaluation(
        model, data, "test", generator, 0, folder=folder, name=name, **rest,
        draw=lambda: model.sample(600, generator=generator, noise=False),
    )  # fmt: skip


SMALL: dict[str, Any] = {
    "curve_images": 60, "strengths": (1.0, 2.0), "negated_samples": 20, "feature_epochs": 2,
    "judge_epochs": 4,
}  # fmt: skip
FEW: dict[str, Any] = {
    "composed_samples": 20, "strengths": (1.0, 2.0), "shown_class": 1, "judge_epochs": 4,
}  # fmt: skip


def test_classes_that_are_obeyed_by_construction(tmp_path: Path) -> None:
    evaluation = evaluation_of(tmp_path)
    found = build(**SMALL)(evaluation)
    values = {name: value.value for name, value in found.items()}
    assert values["real/class_accuracy"] == 1  # the judge knows the two sides
    for name in ("class_accuracy", "plain_class_accuracy", "not_accuracy"):
        assert (values[name] or 0) > 0.98, name
    assert found["class_accuracy"].extra["by class"].keys() == set(SIDES)
    assert found["class_accuracy"].n == 600
    # The split is 1 to 2, the prior 1 to 1: as many of each class as there are of both.
    compared = found["class_frechet"].extra["samples of each"]
    assert compared == found["uncontrolled_class_frechet"].extra["samples of each"]
    assert compared["left"] == 200 and 250 < compared["right"] < 350
    assert {"class_accuracy_at_1", "pooled_frechet_at_2"} <= set(found)
    assert found["pooled_frechet_at_2"].n == 60
    assert found["pooled_frechet_at_2"].extra["uncontrolled"] > 0
    assert not any(value.refused for value in found.values())
    assert [path.name for path, _ in evaluation.figures] == ["strength.png", "classes.png"]
    assert all(path.is_file() for path, _ in evaluation.figures)


def test_a_class_and_a_property_that_are_obeyed_by_construction(tmp_path: Path) -> None:
    evaluation = evaluation_of(tmp_path)
    found = composition(**FEW)(evaluation)
    values = {name: value.value or 0.0 for name, value in found.items()}
    assert 0 < values["brightness_error"] < 0.5 * values["brightness_error_of_class_alone"]
    assert (
        values["brightness_rank"] > 0.9 * found["brightness_rank"].extra["at most"]
        and values["brightness_alone_rank"] > 0.8
    )
    assert values["brightness_class_accuracy"] > 0.95
    assert values["brightness_both"] > 0.8 > values["brightness_both_of_class_alone"]
    assert found["brightness_both_at_1"] == found["brightness_both"]  # not drawn again
    assert "brightness_both_at_2" in found
    assert found["brightness_rank"].extra["at most"] < 1  # three targets, 60 samples a class
    assert {"aggregate/brightness_both", "aggregate/brightness_error"} <= set(found)
    names = [path.name for path, _ in evaluation.figures]
    assert names == ["brightness.png", "strength-brightness.png", "composed.png"]
    assert all(path.is_file() for path, _ in evaluation.figures)


def test_samples_that_do_not_obey_are_found_out(tmp_path: Path) -> None:
    """A prior whose classes are exchanged gives no sample of its class, at the same distance."""
    prior = prior_of_two_sides()
    last = [m for m in prior.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(-1)
    found = dict(build(**SMALL | {"strengths": (1.0,)})(evaluation_of(tmp_path, prior)))
    found |= composition(**FEW | {"composed_curve": False})(evaluation_of(tmp_path, prior))
    assert (found["class_accuracy"].value or 0) < 0.05
    assert (found["brightness_both"].value or 0) < 0.05 < (found["brightness_near"].value or 0)
    class_distance, pooled = found["class_frechet"].value, found["pooled_frechet"].value
    assert class_distance is not None and pooled is not None
    assert class_distance > 5 * pooled


def test_a_control_without_classes_has_its_property_alone(tmp_path: Path) -> None:
    found = build(**SMALL)(evaluation_of(tmp_path, GaussianPrior(2), "f0"))
    assert found["class_accuracy"].refused and found["class_accuracy"].value is None
    assert found["uncontrolled_pooled_frechet"].value is not None
    assert "real/class_accuracy" not in found
    found = composition(**FEW)(evaluation_of(tmp_path, GaussianPrior(2), "f0"))
    assert (found["brightness_alone_rank"].value or 0) > 0.8
    assert "brightness_both" not in found


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"shown_class": 2}, r"evaluation\.shown_class = 2 must be from 0 to 1"),
        ({"composed_targets": (0.0,)}, r"composed_targets = \[0\.0\] must be quantiles"),
        ({"strengths": ()}, r"evaluation\.strengths = \[\]"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        composition(**FEW | wrong)(evaluation_of(tmp_path))


def test_a_model_or_data_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"needs a model with classes: .*prior\.kind = coupled"):
        build()(evaluation_of(tmp_path, GaussianPrior(2)))
    plain = two_sides()
    plain.classes = []
    with pytest.raises(UsageError, match="needs images with classes"):
        build()(evaluation_of(tmp_path, data=plain))
    with pytest.raises(UsageError, match="the data's 2 classes, not of 3"):
        build()(evaluation_of(tmp_path, CoupledPrior(2, 3, (4,))))
    with pytest.raises(UsageError, match=r"needs a model with classes"):
        composition()(evaluation_of(tmp_path, GaussianPrior(2)))
    evaluation = evaluation_of(tmp_path)
    evaluation.model.heads = PropertyHeads()
    with pytest.raises(UsageError, match=r"needs a model with properties: learning\.properties"):
        composition()(evaluation)


def test_both_obeyed_counted_by_hand() -> None:
    found = Obeyed(
        y=torch.tensor([0, 0, 1, 1]),
        verdict=torch.tensor([0, 1, 1, 1]),
        target=torch.tensor([1.0, 2.0, 1.0, 2.0]),
        found=torch.tensor([1.1, 2.0, 2.0, math.nan]),  # the last one is blank
        spread=torch.tensor([1.0, 1.0, 1.0, 1.0]),
    ).values("slant", 0.1)
    assert NEAR == 0.5
    assert found["slant_near"].value == 0.5 and found["slant_class_accuracy"].value == 0.75
    assert found["slant_both"].value == 0.25
    assert found["slant_error"].value == pytest.approx(((0.1**2 + 1) / 3) ** 0.5, abs=1e-6)
    assert found["slant_bias"].value == pytest.approx(1.1 / 3, abs=1e-6)
    assert found["slant_error"].extra["blank"] == 1 and found["slant_error"].n == 3
    assert found["slant_rank"].value == pytest.approx(1)  # of the one class with two values


def test_the_classes_asked_for_are_those_of_the_split() -> None:
    y = torch.tensor([2] * 50 + [0] * 30 + [1] * 20)
    asked = thinned(y, 10)
    assert asked.tolist() == [0] * 3 + [1] * 2 + [2] * 5
    assert thinned(y, 100).equal(y.sort().values)


def test_a_sample_of_each_class_in_order() -> None:
    model = LatentEBM(prior_of_two_sides(), TwoSides())
    y = torch.tensor([0, 0, 0, 1, 1])
    x = of_classes(model, y, {"noise": False}, torch.Generator().manual_seed(0))
    right = (x[:, 0, 2:6, 4:7].mean((1, 2)) > x[:, 0, 2:6, 1:4].mean((1, 2))).long()
    assert right.equal(y)


def test_the_jackknife_is_the_spread_over_draws() -> None:
    """Of the distance to N(1, 1), whose spread over 200 pools of samples is the yardstick."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(4000, 2, generator=generator, dtype=torch.float64) + 1
    pools = torch.randn(200, 300, 2, generator=generator, dtype=torch.float64)
    spread = torch.tensor([frechet_distance(pool, real) for pool in pools]).std()
    errors = torch.tensor([jackknife(pool, real) or 0.0 for pool in pools])
    assert abs(float(errors.mean() / spread) - 1) < 0.2
    assert jackknife(pools[0, :20], real) is None


def test_the_judge_moves_images_in_training_alone() -> None:
    torch.manual_seed(0)
    judge = Judge(1, 28, 10, replace(JUDGE_OPTIONS, width=4))
    x = torch.rand(6, 1, 28, 28)
    seen: list[Tensor] = []
    judge.body[0].register_forward_hook(lambda module, given, out: seen.append(given[0]))
    for training in (True, False):
        judge.train(training)
        for _ in range(4):
            assert judge(x).shape == (6, 10)
    assert any(not each.equal(x) for each in seen[:4])
    assert all(each.shape == x.shape for each in seen) and all(each.equal(x) for each in seen[4:])


@pytest.mark.parametrize("preset", ["cpu", "smoke"])
def test_the_recipe_resolves_with_its_controls(preset: str) -> None:
    recipe = load("control-mnist", preset)
    check_recipe(recipe)
    assert recipe.prior.kind == "coupled" and recipe.learning.labels == 0
    assert set(recipe.learning.properties) == {"slant", "stroke"}
    f0, unfinished = (apply(recipe, recipe.controls[k]) for k in ("f0", "unfinished"))
    assert f0.prior.kind == "gaussian" and f0.decoder == recipe.decoder
    assert unfinished.learning.finish_steps == 0 < recipe.learning.finish_steps


@pytest.mark.skipif(not os.environ.get("LEBM_DATA"), reason="LEBM_DATA holds MNIST")
def test_the_recipe_on_mnist(tmp_path: Path) -> None:
    few = ["training.max_steps=5", "evaluation.controls=[f0]", "data.train_images=500",
           "evaluation.metrics=[images.control,images.composition]"]  # fmt: skip
    run = run_recipe("control-mnist", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert {"class_accuracy", "slant_both", "stroke_error", "class_accuracy_at_2"} <= set(row)
    assert run.results["f0"]["class_accuracy"].refused
    assert run.results["f0"]["slant_alone_error"].value is not None
    assert np.isfinite(run.results["aggregate"]["pooled_frechet"].value or np.nan)
