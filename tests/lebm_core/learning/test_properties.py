"""Property heads on models whose codes tell the property exactly, with noise of known size."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from toys import Linear

from lebm_core import (
    ClassIs,
    CoupledPrior,
    GaussianPrior,
    LatentEBM,
    Not,
    Property,
    fit_property,
)
from lebm_core.errors import UsageError
from lebm_core.learning.properties import PropertyFit
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

NOISE = 0.3


def property_of(z: Tensor) -> Tensor:
    return 5 + 2 * z[:, 0] + z[:, 1].square()


@functools.cache
def taught() -> tuple[LatentEBM, PropertyFit]:
    """A model with the head "mass", fitted once for all tests."""
    torch.manual_seed(0)
    model = LatentEBM(GaussianPrior(3), Linear(torch.eye(3), 0.05))
    z = torch.randn(3000, 3)
    values = property_of(z) + NOISE * torch.randn(3000)
    fit = fit_property(model, "mass", z, values, generator=torch.Generator().manual_seed(0))
    return model, fit


def test_a_head_finds_mean_and_sigma() -> None:
    model, fit = taught()
    truth = 1 - NOISE**2 / (4 + 2 + NOISE**2)  # var of 2 a + b^2 is 4 + 2
    assert fit.n == 300 and fit.r2 == pytest.approx(truth, abs=0.03)
    assert NOISE * 0.9 < fit.sigma < NOISE * 1.4
    z = torch.randn(1000, 3)
    head = model.heads.known["mass"]
    assert float((head(z) - property_of(z)).square().mean()) < 0.05
    assert not [p for p in model.parameters() if p is head.net[0].weight and p.requires_grad]


def test_log_densities_are_those_of_a_gaussian() -> None:
    model, fit = taught()
    head, z = model.heads.known["mass"], torch.randn(20, 3)
    normal = torch.distributions.Normal(head(z), fit.sigma)
    six = torch.tensor(6.0)
    assert torch.allclose(head.log_density(z, "target", 6.0), normal.log_prob(six), atol=1e-3)
    above = head.log_density(z, "at_least", 6.0).exp()
    assert torch.allclose(above, 1 - normal.cdf(six), atol=1e-3)
    below = head.log_density(z, "at_most", 6.0).exp()
    assert torch.allclose(above + below, torch.ones(20), atol=1e-5)
    up = head.log_density(z, "maximise")
    assert torch.allclose(up * head.scale + head.centre, head(z), atol=1e-4)


def test_samples_have_the_property() -> None:
    model, fit = taught()

    def drawn(*control: Property) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return property_of(model.sample(400, control=control, generator=generator))

    assert float((drawn(Property("mass", target=9.0)) - 9).abs().mean()) < 2 * fit.sigma
    assert float((drawn(Property("mass", at_least=8.0)) > 8 - fit.sigma).float().mean()) > 0.95
    few = drawn(Not(Property("mass", at_least=4.0)))
    assert float((few < 4 + fit.sigma).float().mean()) > 0.95
    plain, more, most = (
        float(drawn(Property("mass", maximise=True, strength=s)).mean()) for s in (0.0, 1.0, 3.0)
    )
    assert plain + 1 < more < most - 1
    shift = model.control_shift([Property("mass", at_least=8.0)],
                                generator=torch.Generator().manual_seed(0))  # fmt: skip
    values = property_of(torch.randn(20_000, 3)) + NOISE * torch.randn(20_000)
    often = float((values > 8).float().mean())
    assert float(shift.log_ratio.value.exp()) == pytest.approx(often, rel=0.25)


def test_what_cannot_be_learned_is_refused() -> None:
    model, z = LatentEBM(GaussianPrior(2), Linear(torch.eye(2), 0.1)), torch.randn(100, 2)
    refusals = (
        ("a b", z, z[:, 0], 'cannot be called "a b"'),
        ("y", z, z[:, 0], "stands for the class"),
        ("keys", z, z[:, 0], 'cannot be called "keys"'),
        ("q", z[:, :1], z[:, 0], r"needs codes \(N, 2\) and values \(N,\), not \(100, 1\)"),
        ("q", z, torch.ones(100), "is 1 in every example"),
        ("q", z, torch.where(torch.arange(100) < 30, z[:, 0], torch.nan), "has 30 known values"),
    )
    for name, codes, values, match in refusals:
        with pytest.raises(UsageError, match=match):
            fit_property(model, name, codes, values)
    assert not model.heads.known


def test_classes_and_heads_are_saved_with_the_model(tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder, encoder = TabularDecoder(2, 2, (8,)), TabularEncoder(2, 2, (8,))
    model = LatentEBM(CoupledPrior(2, 3, {"hidden": [8]}), decoder, encoder)
    model.classes = ("calm", "busy", "loud")
    z = torch.randn(200, 2)
    fit = fit_property(model, "qed", torch.stack([z, z + 0.01], 1), z[:, 0], hidden=(8,), steps=100)
    model.save_pretrained(tmp_path)
    again = LatentEBM.from_pretrained(tmp_path)
    assert again.classes == model.classes
    assert torch.equal(again.heads.known["qed"](z), model.heads.known["qed"](z))
    assert again.heads.known["qed"].sigma == pytest.approx(fit.sigma)
    assert float(again.heads.known["qed"].r2) == pytest.approx(fit.r2)
    with pytest.raises(UsageError, match="A controlled prior is not saved"):
        LatentEBM(again.controlled(ClassIs("busy")), decoder).save_pretrained(tmp_path / "other")
    with pytest.raises(UsageError, match='no property "qad". Did you mean "qed"'):
        again.sample(2, control=Property("qad", target=1))


def test_samples_of_a_model_by_class_name_id_and_row() -> None:
    torch.manual_seed(0)
    prior = CoupledPrior(2, 3, {"hidden": []}, {"steps": 20})
    with torch.no_grad():  # three directions
        prior.tilts[0].layers[0].weight.copy_(torch.tensor([[3, 0], [-1.5, 2.6], [-1.5, -2.6]]))
    model = LatentEBM(prior, Linear(torch.eye(2), 0.01))
    model.classes = ("calm", "busy", "loud")

    def drawn(**asked: object) -> Tensor:
        return model.sample(60, generator=torch.Generator().manual_seed(0), **asked)  # type: ignore[arg-type]

    assert torch.equal(drawn(y="busy"), drawn(y=1))
    assert torch.equal(drawn(y=1), drawn(control=ClassIs("busy")))
    rows = torch.arange(60) % 3
    with torch.no_grad():
        mixed = prior.logits(drawn(y=rows)).softmax(1)[torch.arange(60), rows]
        plain = prior.logits(drawn()).softmax(1)[torch.arange(60), rows]
    assert float(mixed.mean()) > float(plain.mean()) + 0.2
    assert torch.equal(drawn(y=rows), drawn(y=[model.classes[i] for i in rows.tolist()]))
    with pytest.raises(UsageError, match='no class "bisy". Did you mean "busy"'):
        drawn(y="bisy")
    with pytest.raises(UsageError, match="y has 2 classes for 60 samples"):
        drawn(y=[0, 1])
    with pytest.raises(UsageError, match="has no classes: y needs a coupled prior"):
        LatentEBM(GaussianPrior(2), Linear(torch.eye(2), 0.1)).sample(2, y=1)


def test_a_property_that_is_mostly_one_value_is_refused_or_has_no_r2() -> None:
    model = LatentEBM(GaussianPrior(3), Linear(torch.eye(3), 0.05))
    rare, z = torch.zeros(100), torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    rare[:2] = 1.0
    for seed in range(6):  # where the two come to lie depends on it
        generator = torch.Generator().manual_seed(seed)
        try:
            fit = fit_property(model, f"rare{seed}", z, rare, steps=50, generator=generator)
        except UsageError as error:
            assert "in every example to learn from" in str(error)
            assert f"rare{seed}" not in model.heads
        else:
            assert math.isfinite(fit.sigma) and fit.sigma > 0
    for taken in ("known", "options", "keys"):  # names that the container has itself
        with pytest.raises(UsageError, match="cannot be called"):
            fit_property(model, taken, z, z[:, 0])
