"""The model family "ebm": a prior over x itself, against closed forms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import CoupledPrior, EBMPrior, Energy, LatentEBM, log_z
from lebm_core.base.randomness import normal_like
from lebm_core.chains.samplers import MALA
from lebm_core.contracts import check_model
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.learning.data_space import DataSpace
from lebm_core.models.base import build
from lebm_core.models.ebm import EBM

SHORT = {"name": "langevin", "steps": 3}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Quadratic(Energy):
    """F(x) = -x'Ax / 2, whose tilt of N(0, I) is Gaussian with precision I + A."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.matrix = torch.tensor([[3.0, 1.5], [1.5, 2.0]])

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return -0.5 * ((z @ self.matrix) * z).sum(-1, keepdim=True)


class Grids(Dataset):
    """Grids of 2 x 3 numbers in two classes."""

    name, classes = "grids", ("low", "high")

    def __init__(self, sizes: dict[str, Any] | None = None) -> None:
        self.sizes = {"n_classes": 2} if sizes is None else sizes
        self.y = torch.arange(40) % 2
        self.x = torch.randn(40, 2, 3, generator=seeded()) + 2.0 * self.y[:, None, None]

    def length(self, split: str) -> int:
        return len(self.x)

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], self.y[index], rows=index)

    def write(self, x: Any, path: Path) -> Path:
        return path

    def save(self, folder: Path) -> None:
        """Nothing is kept."""

    @classmethod
    def load(cls, folder: Path) -> Grids:
        return cls()


@pytest.fixture
def coupled() -> EBM:
    tables = {"prior": {"name": "coupled", "sampler": SHORT, "energy": {"hidden": [8]}}}
    model: EBM = build(EBM, tables, {}, Grids(), 0)
    return model


def test_the_data_give_shape_and_dimension(coupled: EBM) -> None:
    assert coupled.shape == (2, 3) and coupled.latent_dim == 6
    assert coupled.classes == ("low", "high")
    assert coupled.sample(4, y="high", generator=seeded()).shape == (4, 2, 3)
    assert list(coupled.parts()) == ["prior"]


def test_it_keeps_the_contract_of_families(coupled: EBM) -> None:
    check_model(coupled, "ebm")


def test_saved_and_read_it_has_the_same_density(coupled: EBM, tmp_path: Path) -> None:
    coupled.save_pretrained(tmp_path)
    again = EBM.from_pretrained(tmp_path)
    x = Grids().x
    assert again.shape == (2, 3) and again.classes == ("low", "high")
    assert torch.equal(again.score(x).total, coupled.score(x).total)
    assert torch.equal(again.classify(x), coupled.classify(x))


def test_a_class_is_drawn_by_the_chain_on_its_own_logit(coupled: EBM) -> None:
    y = torch.tensor([0, 1, 1, 0])
    x = coupled.sample(4, y=y, generator=seeded())
    assert torch.equal(x.flatten(1), coupled.prior.sample(4, y=y, generator=seeded()))


def test_density_and_classes_are_those_of_the_prior(coupled: EBM) -> None:
    x = Grids().x
    z = x.flatten(1)
    assert torch.equal(coupled.score(x).total, -coupled.prior.log_prob(z))
    logits = coupled.prior.logits(z)  # type: ignore[operator]
    torch.testing.assert_close(coupled.classify(x), logits.softmax(-1))


def test_completion_draws_the_conditional_of_a_gaussian() -> None:
    prior = EBMPrior(2, Quadratic(), {"name": "mala", "steps": 5}, bound=0.0)
    model = EBM(prior, [2])
    precision = torch.eye(2) + prior.energies[0].matrix  # type: ignore[operator]
    n = 4000
    x = torch.tensor([1.5, math.nan]).expand(n, 2)
    drawn = model.complete(x, torch.ones(2, dtype=torch.bool), sampler=MALA(80, 0.5),
                           generator=seeded())  # fmt: skip
    mean, std = -precision[0, 1] / precision[1, 1] * 1.5, precision[1, 1] ** -0.5
    assert torch.equal(drawn[:, 0], torch.full((n,), 1.5))
    # standard errors: std / sqrt(n) and std / sqrt(2n); four of each
    assert abs(drawn[:, 1].mean() - mean) < 4 * std / math.sqrt(n)
    assert abs(drawn[:, 1].std() - std) < 4 * std / math.sqrt(2 * n)


def test_log_prob_is_that_of_the_gaussian() -> None:
    prior = EBMPrior(2, Quadratic(), {"name": "mala", "steps": 5}, bound=0.0)
    precision = torch.eye(2) + prior.energies[0].matrix  # type: ignore[operator]
    x = normal_like(torch.zeros(20, 2), seeded())
    truth = torch.distributions.MultivariateNormal(torch.zeros(2), precision_matrix=precision)
    found = EBM(prior, [2]).log_prob(x, generator=seeded())
    # log Z by 10,000 importance samples, its error in the estimate
    error = (found.value - truth.log_prob(x)).abs()
    assert (error < 4 * found.standard_error + 1e-3).all()


def test_both_walls_of_a_box_have_a_density() -> None:
    prior = EBMPrior(
        2, sampler=SHORT, reference="uniform", reference_std=1.0, energy={"hidden": [4]}
    )
    model = EBM(prior, [2])
    x = torch.tensor([[1.0, -1.0], [0.999, -0.999]])
    found = model.log_prob(x, log_z=log_z(prior, method="quadrature"))
    assert torch.allclose(found.value[0], found.value[1], atol=0.05)


def test_what_it_cannot_compute_with_is_refused(coupled: EBM) -> None:
    x = Grids().x.clone()
    x[0, 0, 0] = math.nan
    for call in (coupled.score, coupled.translate, coupled.log_prob):
        with pytest.raises(UsageError, match=r"missing values \(NaN\): fill them in"):
            call(x)
    with pytest.raises(UsageError, match="sampler is a str; give a Sampler"):
        coupled.complete(x, torch.ones(2, 3), sampler="mala")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"model.shape = \[3, 2\] must be \[2, 3\]"):
        build(EBM, {"prior": {"name": "ebm"}}, {"shape": [3, 2]}, Grids(), 0)


def test_a_translation_starts_where_it_is_told_and_ends_in_the_model() -> None:
    prior = EBMPrior(2, Quadratic(), {"name": "mala", "steps": 5}, bound=0.0)
    model = EBM(prior, [2])
    far = torch.full((500, 2), 6.0)
    assert torch.equal(model.translate(far, sampler=MALA(0), generator=seeded()), far)
    moved = model.translate(far, sampler=MALA(100, 0.5), generator=seeded())
    assert moved.mean(0).abs().max() < 0.15  # sd .6, 500 points


def test_noise_is_added_to_the_examples(coupled: EBM) -> None:
    rule = DataSpace("short-run", noise=0.5)
    batch = Grids().batch("train", torch.arange(40))
    codes = rule.decoder(coupled, batch, rule.symbols, 0.0, seeded())
    difference = codes.z - batch.x.flatten(1)
    assert abs(float(difference.std()) - 0.5) < 4 * 0.5 / math.sqrt(2 * 240)
    plain = DataSpace("short-run").decoder(coupled, batch, rule.symbols, 0.0, seeded())
    assert torch.equal(plain.z, batch.x.flatten(1))


def test_noise_stays_in_the_box_of_a_uniform_reference() -> None:
    prior = EBMPrior(6, sampler=SHORT, reference="uniform", reference_std=1.0)
    model = EBM(prior, [2, 3])
    rule = DataSpace("short-run", noise=0.5)
    white = Batch(torch.ones(40, 2, 3))
    z = rule.decoder(model, white, rule.symbols, 0.0, seeded()).z
    assert float(z.max()) <= 1 and float(z.std()) > 0.2


@pytest.mark.parametrize("prior", ["short-run", "persistent", "density-ratio"])
def test_a_prior_rule_teaches_f_and_labels_teach_classes(prior: str, coupled: EBM) -> None:
    rule, data = DataSpace(prior, noise=0.1), Grids()
    rule.prepare(coupled, data, 0)
    adam = torch.optim.Adam(coupled.parameters(), 2e-2)
    for step in range(60):
        outcome = rule(coupled, data.batch("train", torch.arange(40)), progress=step / 60,
                       generator=seeded(step))  # fmt: skip
        assert set(outcome.losses) == {"prior", "labels"}
        adam.zero_grad()
        sum(outcome.losses.values()).backward()  # type: ignore[union-attr]
        adam.step()
    assert float((coupled.classify(data.x).argmax(1) == data.y).float().mean()) > 0.9
    codes = data.x.flatten(1)
    reference = coupled.prior.draw_reference(400, seeded())
    with torch.no_grad():
        assert coupled.prior.log_tilt(codes).mean() > coupled.prior.log_tilt(reference).mean()


class Learned(Energy):
    """F(x) = b . x - x'A'Ax / 2: any Gaussian of higher precision than N(0, I)."""

    def __init__(self, latent_dim: int = 2, outputs: int = 1, context_dim: int = 0) -> None:
        super().__init__()
        self.latent_dim, self.outputs, self.context_dim = latent_dim, outputs, context_dim
        self.root = torch.nn.Parameter(0.1 * torch.eye(2))
        self.shift = torch.nn.Parameter(torch.zeros(2))

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        return (z @ self.shift - 0.5 * (z @ self.root.T).square().sum(-1))[:, None]


def test_incomplete_examples_are_recovered_and_learned_from() -> None:
    """Half of the second coordinates are missing, and its correlation is learned all the same."""
    n = 2000
    covariance = torch.tensor([[0.5, 0.3], [0.3, 0.4]])
    truth = torch.distributions.MultivariateNormal(torch.tensor([0.5, -0.5]), covariance)
    torch.manual_seed(0)
    x = truth.sample((n,))
    x[: n // 2, 1] = math.nan
    energy = Learned()
    model = EBM(
        EBMPrior(2, energy, {"name": "mala", "steps": 10, "step_size": 0.6}, bound=0.0), [2]
    )
    rule = DataSpace("persistent", recovery_steps=10)
    adam, generator = torch.optim.Adam(energy.parameters(), 0.03), seeded()
    fall = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / 300)
    for step in range(300):
        outcome = rule(model, Batch(x), progress=step / 300, generator=generator)
        adam.zero_grad()
        outcome.losses["prior"].backward()
        adam.step()
        fall.step()
    precision = (torch.eye(2) + energy.root.T @ energy.root).detach()
    found = precision.inverse()
    # a covariance of 1,000 whole pairs has an error of sqrt(2 / 1000) = .045 of its size
    assert (found - covariance).abs().max() < 4 * 0.045 * 0.5
    assert (found @ energy.shift.detach() - truth.mean).abs().max() < 4 * 0.7 / math.sqrt(1000)
    with pytest.raises(UsageError, match=r"missing values \(NaN\): set learning.recovery_steps"):
        DataSpace("persistent")(model, Batch(x), generator=generator)


class Tokens(Grids):
    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(torch.ones(len(index), 4, dtype=torch.long))


def test_what_it_cannot_model_is_refused(coupled: EBM) -> None:
    tables = {"prior": {"name": "ebm"}}
    with pytest.raises(UsageError, match="one shape, and the examples of grids"):
        build(EBM, tables, {}, Tokens(), 0)
    with pytest.raises(UsageError, match="have 2 columns of categories: use the model latent-ebm"):
        build(EBM, tables, {}, Grids({"groups": [2, 3]}), 0)
    with pytest.raises(UsageError, match="latent_dim = 5 must be 6, the numbers of one x"):
        build(EBM, {"prior": {"name": "ebm", "latent_dim": 5}}, {}, Grids(), 0)
    with pytest.raises(UsageError, match="has no code: use sample or complete"):
        coupled.reconstruct(Grids().x)
    with pytest.raises(UsageError, match="has no code to interpolate"):
        coupled.interpolate(Grids().x[:1], Grids().x[1:2])


def test_the_rule_refuses_a_model_with_a_code() -> None:
    from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

    prior = CoupledPrior(2, 2, energy={"hidden": [8]}, sampler=SHORT)
    model = LatentEBM(prior, TabularDecoder(2, 3, (8,)), TabularEncoder(2, 3, (8,)))
    with pytest.raises(UsageError, match='teaches the model "ebm"'):
        DataSpace("short-run").check(model)
