"""images.control and images.composition of samples whose class is known."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
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
    Langevin,
    LatentEBM,
    Prior,
    fit_property,
    run_recipe,
)
from lebm_core.base.statistics import frechet
from lebm_core.control.heads import PropertyHeads
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.run.build import check_recipe
from lebm_core.run.config.recipe import load
from lebm_images.data.dataset import ArrayPixels, ImageDataset
from lebm_images.evaluators.class_classifier import OPTIONS, ClassClassifier
from lebm_images.evaluators.options import FeatureOptions
from lebm_images.metrics.class_scores import jackknife
from lebm_images.metrics.composition import build as composition
from lebm_images.metrics.control import build, of_classes, thinned
from lebm_images.metrics.property_scores import NEAR, PropertyScores
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
    prior = CoupledPrior(
        2, 2, {"hidden": [4], "activation": "leaky_relu"}, Langevin(20, 0.3), bound=0
    )
    linear = [m for m in prior.modules() if isinstance(m, nn.Linear)]
    assert len(linear) == 2
    with torch.no_grad():
        for layer in linear:
            layer.weight.zero_()
            layer.bias.zero_()
        linear[0].weight[:2, 0] = torch.tensor([1.0, -1.0])
        linear[1].weight[:, :2] = 4 * torch.tensor([[-1.0, 1.0], [1.0, -1.0]])
    return prior


@pytest.fixture(scope="session")
def sides() -> ImageDataset:
    return two_sides()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Evaluators: each is trained once for all tests."""
    return tmp_path_factory.mktemp("evaluators")


@pytest.fixture(scope="session")
def bright() -> LatentEBM:
    """The model of two sides, with a head for brightness."""
    torch.manual_seed(0)
    model = LatentEBM(prior_of_two_sides(), TwoSides(), ConvEncoder(2, 1, 8, 4)).eval()
    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(9))
    light = (TwoSides()(z).mean.flatten(1).mean(1) + 1) / 2
    generator = torch.Generator().manual_seed(0)
    fit_property(model, "brightness", z, light, steps=500, generator=generator)
    return model


Evaluate = Callable[..., Evaluation]


@pytest.fixture
def evaluation_of(tmp_path: Path, sides: ImageDataset, bright: LatentEBM, cache: Path) -> Evaluate:
    def make(
        prior: Prior | None = None, name: str = "model", data: ImageDataset = sides
    ) -> Evaluation:
        model = LatentEBM(bright.prior if prior is None else prior, TwoSides(), bright.encoder)
        model.heads = bright.heads
        generator = torch.Generator().manual_seed(0)
        rest: dict[str, Any] = {"recipe": None, "log": lambda line: None, "cache": cache}
        return Evaluation(
            model.eval(), data, "test", generator, 0, folder=tmp_path, name=name, **rest,
            draw=lambda: model.sample(600, generator=generator, noise=False),
        )  # fmt: skip

    return make


SMALL: dict[str, Any] = {
    "curve_images": 60, "strengths": (1.0, 2.0), "negated_samples": 20,
    "features": FeatureOptions(feature_epochs=2),
    "judge_epochs": 4,
}  # fmt: skip
FEW: dict[str, Any] = {
    "composed_samples": 20, "strengths": (1.0, 2.0), "shown_class": 1, "judge_epochs": 4,
}  # fmt: skip


def test_classes_that_are_obeyed_by_construction(evaluation_of: Evaluate) -> None:
    evaluation = evaluation_of()
    found = build(**SMALL)(evaluation)
    values = {name: value.value for name, value in found.items()}
    assert values["real/class_accuracy"] == 1  # the classifier knows the two sides
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


def test_a_class_and_a_property_that_are_obeyed_by_construction(evaluation_of: Evaluate) -> None:
    evaluation = evaluation_of()
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


def test_samples_that_do_not_obey_are_found_out(evaluation_of: Evaluate) -> None:
    """A prior whose classes are exchanged gives no sample of its class, at the same distance."""
    prior = prior_of_two_sides()
    last = [m for m in prior.modules() if isinstance(m, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(-1)
    fewer = {"strengths": (1.0,), "plain_chain": False, "negated_samples": 0}
    found = dict(build(**SMALL | fewer)(evaluation_of(prior)))
    found |= composition(**FEW | {"composed_curve": False})(evaluation_of(prior))
    assert (found["class_accuracy"].value or 0) < 0.05
    assert (found["brightness_both"].value or 0) < 0.05 < (found["brightness_near"].value or 0)
    class_distance, pooled = found["class_frechet"].value, found["pooled_frechet"].value
    assert class_distance is not None and pooled is not None
    assert class_distance > 5 * pooled


def test_a_baseline_without_classes_has_its_property_alone(evaluation_of: Evaluate) -> None:
    found = build(**SMALL)(evaluation_of(GaussianPrior(2), "f0"))
    assert found["class_accuracy"].refused and found["class_accuracy"].value is None
    assert found["uncontrolled_pooled_frechet"].value is not None
    assert "real/class_accuracy" not in found
    found = composition(**FEW)(evaluation_of(GaussianPrior(2), "f0"))
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
def test_options_that_are_not_possible(
    evaluation_of: Evaluate, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        composition(**FEW | wrong)(evaluation_of())


def test_a_model_or_data_without_classes_is_refused(evaluation_of: Evaluate) -> None:
    with pytest.raises(UsageError, match=r"needs a model with classes: .*prior\.name = coupled"):
        build()(evaluation_of(GaussianPrior(2)))
    plain = two_sides()
    plain.classes = []
    with pytest.raises(UsageError, match="needs images with classes"):
        build()(evaluation_of(data=plain))
    with pytest.raises(UsageError, match="the data's 2 classes, not of 3"):
        build()(evaluation_of(CoupledPrior(2, 3, {"hidden": [4]})))
    with pytest.raises(UsageError, match=r"needs a model with classes"):
        composition()(evaluation_of(GaussianPrior(2)))
    evaluation = evaluation_of()
    evaluation.model.heads = PropertyHeads()
    with pytest.raises(UsageError, match=r"needs a model with properties: learning\.properties"):
        composition()(evaluation)


def test_property_scores_by_hand() -> None:
    found = PropertyScores(
        y=torch.tensor([0, 0, 1, 1]),
        predicted=torch.tensor([0, 1, 1, 1]),
        target=torch.tensor([1.0, 2.0, 1.0, 2.0]),
        measured=torch.tensor([1.1, 2.0, 2.0, math.nan]),  # the last one is blank
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
    """Of the distance to N(1, 1), whose spread over 200 pools of samples is the reference."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(4000, 2, generator=generator, dtype=torch.float64) + 1
    pools = torch.randn(200, 300, 2, generator=generator, dtype=torch.float64)
    spread = torch.tensor([frechet(pool, real) for pool in pools]).std()
    errors = torch.tensor([jackknife(pool, real) or 0.0 for pool in pools])
    assert abs(float(errors.mean() / spread) - 1) < 0.2
    assert jackknife(pools[0, :20], real) is None


def test_the_classifier_shifts_images_in_training_alone() -> None:
    torch.manual_seed(0)
    classifier = ClassClassifier(1, 28, 10, replace(OPTIONS, width=4))
    x = torch.rand(6, 1, 28, 28)
    seen: list[Tensor] = []
    classifier.body[0].register_forward_hook(lambda module, given, out: seen.append(given[0]))
    for training in (True, False):
        classifier.train(training)
        for _ in range(4):
            assert classifier(x).shape == (6, 10)
    assert any(not each.equal(x) for each in seen[:4])
    assert all(each.shape == x.shape for each in seen) and all(each.equal(x) for each in seen[4:])


@pytest.mark.parametrize("preset", ["cpu", "smoke"])
def test_the_recipe_resolves_with_its_baselines(preset: str) -> None:
    recipe = load("control-mnist", preset)
    check_recipe(recipe)
    assert (recipe.parts["prior"] or {})["name"] == "coupled"
    assert recipe.learning["symbols"]["labels"] == 0
    assert set(recipe.learning["properties"]) == {"slant", "stroke"}
    f0, unfinished = (recipe.baselines[k] for k in ("f0", "unfinished"))
    assert (f0.parts["prior"] or {})["name"] == "gaussian"
    assert f0.parts["decoder"] == recipe.parts["decoder"]
    assert unfinished.learning["refit"]["steps"] == 0 < recipe.learning["refit"]["steps"]


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("LEBM_DATA"), reason="LEBM_DATA holds MNIST")
def test_the_recipe_on_mnist(tmp_path: Path) -> None:
    few = ["training.max_steps=5", "evaluation.baselines=[f0]", "data.train_images=500",
           "evaluation.metrics=[images.control,images.composition]"]  # fmt: skip
    run = run_recipe("control-mnist", "smoke", few, out=tmp_path / "run", log=lambda line: None)
    row = run.results["model"]
    assert {"class_accuracy", "slant_both", "stroke_error", "class_accuracy_at_2"} <= set(row)
    assert run.results["f0"]["class_accuracy"].refused
    assert run.results["f0"]["slant_alone_error"].value is not None
    assert np.isfinite(run.results["aggregate"]["pooled_frechet"].value or np.nan)
