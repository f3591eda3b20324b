"""Priors against quadrature: what the chain samples, conditional tilts, bounded references."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lebm_core import CoupledPrior, EBMPrior, MixturePrior
from lebm_core.errors import UsageError
from lebm_core.registry.parts import Part, make


def moments(prior: EBMPrior, y: int | None, half: float = 6.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean (2,) and variance (2,) of the prior by quadrature."""
    line = torch.linspace(-half, half, 401)
    grid = torch.cartesian_prod(line, line)
    label = None if y is None else torch.full((len(grid),), y)
    with torch.no_grad():
        log_p = prior.log_prob(grid, label).double()
    p = (log_p - log_p.logsumexp(0)).exp()[:, None]
    mean = (p * grid).sum(0)
    return mean, (p * (grid - mean) ** 2).sum(0)


@pytest.mark.parametrize("y", [None, 0, 1, 2])
def test_chains_sample_the_tilt_and_each_class_tilt(y: int | None) -> None:
    torch.manual_seed(1)
    prior = CoupledPrior(
        2,
        3,
        energy={"hidden": (16,)},
        sampler={"name": "mala", "steps": 150, "step_size": 0.5},
        bound=3.0,
    )
    for p in prior.parameters():
        nn.init.normal_(p, std=0.7)
    n = 20_000
    z = prior.sample(n, y=y, generator=torch.Generator().manual_seed(0))
    mean, variance = moments(prior, y)
    assert float(((z.mean(0) - mean).abs() / (variance / n).sqrt()).max()) < 4.5
    # the fourth moment is near a Gaussian's: the variance's error is about sqrt(2/n) of it
    assert float(((z.var(0) - variance).abs() / (variance * (3 / n) ** 0.5)).max()) < 4.5


def test_posterior_of_the_class_is_the_softmax_and_f_its_logsumexp() -> None:
    prior = CoupledPrior(4, 5, energy={"hidden": (8,)})
    z = torch.randn(6, 4)
    logits = prior.logits(z)
    assert torch.allclose(prior.log_tilt(z), logits.logsumexp(-1))
    for y in range(5):
        label = torch.full((6,), y)
        log_p = prior.log_tilt(z, label) - prior.log_tilt(z)
        assert torch.allclose(log_p, logits.log_softmax(-1)[:, y], atol=1e-6)
    unknown = prior.log_tilt(z, torch.full((6,), -1))
    assert torch.allclose(unknown, prior.log_tilt(z))


def test_the_bound_holds() -> None:
    prior = EBMPrior(2, energy={"hidden": (8,)}, bound=2.0)
    for p in prior.parameters():
        nn.init.normal_(p, std=50)
    assert float(prior.log_tilt(torch.randn(100, 2)).abs().max()) <= 2.0


def test_energy_is_minus_the_log_density() -> None:
    prior = EBMPrior(3)
    z = torch.randn(4, 3)
    expected = -prior.log_tilt(z) - prior.reference.log_prob(z)
    assert torch.allclose(prior.energy(z), expected)


def test_a_uniform_reference_keeps_chains_in_its_box_and_uniform_without_a_tilt() -> None:
    prior = EBMPrior(
        1,
        energy={"hidden": ()},
        sampler={"steps": 40, "step_size": 0.8},
        reference="uniform",
        reference_std=1.5,
    )
    for p in prior.parameters():
        nn.init.zeros_(p)
    n = 20_000
    z = prior.sample(n, generator=torch.Generator().manual_seed(0))
    assert float(z.abs().max()) <= 1.5
    counts = torch.histc(z, 10, -1.5, 1.5) / n
    assert float((counts - 0.1).abs().max()) < 4.5 * (0.09 / n) ** 0.5


def test_the_context_reaches_the_tilt() -> None:
    prior = EBMPrior(
        2, energy={"hidden": ()}, sampler={"steps": 60, "step_size": 0.5}, bound=None, context_dim=1
    )
    with torch.no_grad():  # a linear map has no product c z_1: use a mean shift by the context
        prior.tilts[0].layers[0].weight.copy_(torch.tensor([[1.0, 0.0, 2.0]]))
    context = torch.tensor([[0.0], [1.0]])
    f = prior.log_tilt(torch.zeros(2, 2), None, context)
    assert float(f[1] - f[0]) == pytest.approx(2.0, abs=1e-6)
    z = torch.randn(6, 2)  # three codes for each context, as importance sampling asks
    value, gradient = prior.target(None, context).value_and_gradient(z)  # type: ignore[attr-defined]
    expected = prior.log_prob(z, None, context.repeat_interleave(3, 0))
    assert torch.allclose(value, expected, atol=1e-5)
    assert torch.allclose(gradient, torch.tensor([1.0, 0.0]) - z, atol=1e-5)
    with pytest.raises(UsageError, match="conditioned on a context of 1"):
        prior.log_tilt(torch.zeros(2, 2))
    with pytest.raises(UsageError, match=r"context has the shape \(2, 1\); use \(3, 1\)"):
        prior.sample(3, context=context)
    for wrong in (context, torch.zeros(6, 2)):
        with pytest.raises(UsageError, match=r"use \(6, 1\), a row for each z"):
            prior.log_prob(z, None, wrong)


def test_the_mixture_is_normalised_and_samples_itself() -> None:
    prior = MixturePrior(2, 3)
    prior.weights.copy_(torch.tensor([0.2, 0.3, 0.5]))
    prior.means.copy_(torch.tensor([[-2.0, 0.0], [1.0, 1.0], [2.0, -1.0]]))
    prior.factors.copy_(0.5 * torch.eye(2).repeat(3, 1, 1))
    line = torch.linspace(-7, 7, 281)
    cell = float(line[1] - line[0]) ** 2
    mass = prior.log_prob(torch.cartesian_prod(line, line)).exp().sum() * cell
    assert float(mass) == pytest.approx(1, abs=1e-3)
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(0))
    mean = (prior.weights[:, None] * prior.means).sum(0)
    assert float((z.mean(0) - mean).abs().max()) < 4.5 * float(z.std()) / 20_000**0.5


def test_recipes_build_each_kind_and_name_the_nearest() -> None:
    for kind in ("gaussian", "ebm", "coupled", "mixture", "second-stage"):
        prior = make(Part("priors"), {"name": kind, "latent_dim": 3}, {"n_classes": 2})
        assert prior.latent_dim == 3
    with pytest.raises(UsageError, match='Did you mean "gaussian"'):
        make(Part("priors"), "gausian")
    with pytest.raises(UsageError, match="at least 2 classes, not 1"):
        CoupledPrior(2, 1)
    with pytest.raises(UsageError, match='Did you mean "gelu"'):
        EBMPrior(2, energy={"activation": "geluu"})


def test_mistakes_name_the_value() -> None:
    with pytest.raises(UsageError, match="not 9"):
        CoupledPrior(2, 3).sample(2, y=torch.tensor([0, 9]))
    with pytest.raises(UsageError, match="context=\\(B, c\\)"):
        EBMPrior(2, context_dim=3).sample(4)


def test_both_ends_of_a_box_are_in_it() -> None:
    """The reference, and what a chain follows, agree at the walls: white pixels lie there."""
    prior = EBMPrior(3, energy={"hidden": [4]}, reference="uniform", reference_std=0.7)
    ends = torch.tensor([[0.7, -0.7, 0.7], [-0.7, -0.7, 0.0], [0.7, 0.71, 0.0]])
    value = prior.reference.log_prob(ends)
    assert torch.allclose(value[:2], torch.tensor(-3 * math.log(1.4))) and value[2] == -math.inf
    assert torch.allclose(prior.target()(ends), prior.log_prob(ends))
