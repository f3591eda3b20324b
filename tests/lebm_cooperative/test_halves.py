"""Halves of digits: that nothing is lost, that scores are what they say, and known answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lebm_cooperative.data.halves import HALVES, Halves, halves
from lebm_cooperative.metrics.classes import build as classes
from lebm_cooperative.metrics.completion import build as completion
from lebm_cooperative.metrics.completion import scores
from lebm_cooperative.metrics.given import Given, given_of
from lebm_cooperative.metrics.refinement import Features, drawn
from lebm_cooperative.metrics.refinement import build as refinement
from lebm_cooperative.models.energy_generator import EnergyGenerator
from lebm_cooperative.priors.class_mixture import ClassMixture
from lebm_core import EBMPrior, Energy, GaussianPrior
from lebm_core.contracts import toys
from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.coupled import CoupledPrior
from lebm_foils.networks.perceptron import PerceptronDecoder


class Pull(Energy):
    """F(x) = -k |x - w c|^2 / 2, of a context c: the chain goes to w c."""

    def __init__(
        self, latent_dim: int, outputs: int = 1, context_dim: int = 0, w: float = 1.0
    ) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.k, self.w = nn.Parameter(torch.tensor(100.0)), w

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        aim = 0.0 if context is None else self.w * context
        return (-0.5 * self.k * (z - aim).square().sum(1))[:, None]


class Mirrored(Halves):
    """Halves of which the missing one is the known one."""

    def __init__(self) -> None:
        half = torch.rand(140, 1, 4, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
        whole = torch.cat([half, half], 2)
        images = {"train": whole[:60], "valid": whole[60:100], "test": whole[100:]}
        super().__init__(images, {}, "upper", 8)


def model() -> EnergyGenerator:
    """g = 0 wherever it begins, and a chain that goes to the context."""
    descriptor = EBMPrior(
        32, Pull(32, context_dim=32), {"name": "langevin", "steps": 60, "step_size": 0.05,
        "noise": 0.0}, bound=0.0, context_dim=32, reference="uniform",
    )  # fmt: skip
    decoder = PerceptronDecoder(2, [1, 4, 8], hidden=[], context_dim=32)
    with torch.no_grad():
        for p in decoder.net.parameters():
            p.zero_()
    return EnergyGenerator(GaussianPrior(2), decoder, descriptor=descriptor).eval()


def read(metric: Any, model: LatentEBM, data: Any, folder: Path) -> dict[str, float]:
    found = metric(toys.evaluation(folder, model, data))
    return {name: value.value for name, value in found.items()}


@pytest.mark.parametrize("known", HALVES)
def test_halves_make_the_image_again(known: Any, tmp_path: Path) -> None:
    data = halves(files=None, seed=0, known=known)
    batch = data.batch("test", torch.arange(5))
    assert batch.context is not None
    assert torch.equal(data.joined(batch.x, batch.context), data.images["test"][:5])
    seen = torch.cat([data.images[s] for s in ("train", "valid", "test")]).flatten(1)
    assert len(seen) == 1797
    assert float(seen.min()) == -1 and float(seen.max()) == 1
    data.save(tmp_path)
    again = Halves.load(tmp_path)
    assert torch.equal(again.joined(batch.x, batch.context), data.images["test"][:5])
    assert again.sizes == data.sizes
    (tmp_path / "halves.json").write_text('{"known": "middle", "side": 8}')
    with pytest.raises(UsageError, match="not as a run writes it"):
        Halves.load(tmp_path)
    with pytest.raises(UsageError, match=r"data.known = \"middle\" is unknown"):
        halves(files=None, seed=0, known="middle")  # type: ignore[arg-type]


def test_a_solver_that_is_right_is_said_to_be(tmp_path: Path) -> None:
    """g = 0 errs by E x^2 of the data; the chain ends at the context, which is the answer."""
    data = Mirrored()
    values = read(completion(completions=2), model(), data, tmp_path)
    x = given_of(data, "test").x
    assert values["start_mse"] == pytest.approx(float(x.square().mean()), rel=1e-5)
    # |x - c| shrinks by 1 - 100 * .05^2 / 2 = .875 at each of 60 steps.
    assert values["refined_mse"] == pytest.approx(0, abs=1e-5)
    gain = values["start_mse"] - values["refined_mse"]
    assert values["gain"] == pytest.approx(gain, rel=1e-5)
    assert values["ridge/start_mean_mse"] < 1e-3  # the identity is linear
    assert values["mean/start_mean_mse"] > 0.2 < values["nearest/start_mean_mse"]


def test_psnr_is_its_formula() -> None:
    x = torch.zeros(3, 1, 2, 2)
    found = scores(x + 0.2, x, "test", "", "")
    assert found["mse"].value == pytest.approx(0.04, rel=1e-5)
    assert found["psnr"].value == pytest.approx(20, rel=1e-5)  # 10 log10(4 / .04)


def test_refinement_is_seen_by_both_distances(tmp_path: Path) -> None:
    data = Mirrored()
    values = read(refinement(refined=40), model(), data, tmp_path)
    assert values["frechet"] < 0.05 * values["start_frechet"]
    # Uniform contexts, x = 0 for x = c: 2 sqrt(32) - sqrt(64 / 3) - sqrt(128 / 3) is .16.
    assert values["start_distance"] == pytest.approx(0.16, abs=0.08)
    assert values["distance"] == pytest.approx(0, abs=1e-3)
    x = given_of(data, "test", 40).x
    assert values["moved"] == pytest.approx(
        float(x.flatten(1).square().mean(1).sqrt().mean()), rel=1e-3
    )
    assert values["f_refined"] > values["f_start"]


def test_the_distance_of_examples_to_their_like_is_none() -> None:
    """Two draws of one density, contexts and all."""
    g = torch.Generator().manual_seed(1)
    n = 400
    context = torch.randn(n, 3, generator=g)
    x = context[:, :2] + torch.randn(n, 2, generator=g)
    again = context[:, :2] + torch.randn(n, 2, generator=g)
    features = Features(toys.Points(200), 2)
    features.mean, features.axes = torch.zeros(2).double(), torch.eye(2).double()
    real = Given(x, None, context)
    found = features.distances(real._replace(x=again), real, "", "")["distance"]
    assert found.value is not None and found.standard_error is not None
    assert abs(found.value) < 4 * found.standard_error


def test_draws_are_of_the_class_that_is_asked_for(tmp_path: Path) -> None:
    """`toys.Points`: the class is the sign of the first number, and g puts it there."""
    prior = ClassMixture(2, 2, scale=1.5, width=0.1)
    decoder = PerceptronDecoder(2, [3], hidden=[])
    with torch.no_grad():
        decoder.net[0].bias.zero_()  # type: ignore[union-attr]
        decoder.net[0].weight.zero_()  # type: ignore[union-attr]
        side = float(prior.means[1, 0].sign())
        decoder.net[0].weight[0, 0] = side  # type: ignore[index, union-attr]
    chain = {"name": "mala", "steps": 2, "step_size": 0.01}
    descriptor = CoupledPrior(3, 2, {"hidden": [4]}, chain)
    both = EnergyGenerator(prior, decoder, descriptor=descriptor).eval()
    values = read(classes(judged=16), both, toys.Points(64), tmp_path)
    assert values["start_accuracy"] > 0.9 < values["accuracy"]
    with torch.no_grad():
        decoder.net[0].weight.mul_(-1)  # type: ignore[union-attr]
    values = read(classes(judged=16), both, toys.Points(64), tmp_path)
    assert values["start_accuracy"] < 0.1


def test_a_rejecting_sampler_says_how_often() -> None:
    one = model()
    one.descriptor.sampler = one.descriptor.sampler.replaced(steps=1)  # type: ignore[union-attr]
    found = drawn(one, given_of(Mirrored(), "test"), torch.Generator().manual_seed(0))
    assert found.acceptance is None
    assert np.isfinite(found.f.numpy()).all()
