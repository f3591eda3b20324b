"""Langevin chains against the closed forms of Gaussian targets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lebm_core import CoupledPrior, EBMPrior, GaussianPrior
from lebm_core.chains.densities import Total, value_and_gradient
from lebm_core.chains.langevin import langevin
from lebm_core.chains.trace import Chain
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.priors.mlp import ACTIVATIONS

PRECISION = torch.tensor([[2.0, 0.6], [0.6, 1.0]])


def gaussian(z: Tensor) -> Tensor:
    return -0.5 * torch.einsum("bi,ij,bj->b", z, PRECISION, z)


def covariance_error(z: Tensor, expected: Tensor) -> Tensor:
    """The largest error of the sample covariance in its own standard errors."""
    diagonal = expected.diagonal()
    error = ((diagonal[:, None] * diagonal + expected**2) / len(z)).sqrt()
    return ((torch.cov(z.T) - expected).abs() / error).max()


@pytest.mark.parametrize("step_size", [0.4, 0.9])
def test_stationary_covariance_of_the_discretised_chain(step_size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(40_000, 2, generator=generator)
    z = langevin(gaussian, start, steps=150, step_size=step_size, generator=generator)
    eye = torch.eye(2)
    inverse = torch.linalg.inv(PRECISION)
    expected = torch.linalg.inv(eye - step_size**2 * PRECISION / 4) @ inverse
    assert covariance_error(z, expected) < 4.5
    if step_size > 0.5:  # and it is not the target's own covariance, so the test can tell
        assert covariance_error(z, inverse) > 10


def test_adjusted_chain_has_the_covariance_of_the_target() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(40_000, 2, generator=generator)
    z = langevin(gaussian, start, steps=150, step_size=0.9, adjust=True, generator=generator)
    assert covariance_error(z, torch.linalg.inv(PRECISION)) < 4.5


def test_the_step_is_s_and_the_drift_half_its_square() -> None:
    z = torch.tensor([[1.0, -2.0]])
    moved = langevin(gaussian, z, steps=1, step_size=0.3, noise=0.0)
    assert torch.allclose(moved, z - 0.5 * 0.09 * z @ PRECISION)


def test_a_held_drift_comes_down_a_steep_slope_and_keeps_the_density() -> None:
    steep, step_size = 400.0, 0.15  # at 3 an unlimited drift is 13.5, nine times past the mode

    def narrow(z: Tensor) -> Tensor:
        return -0.5 * steep * z.square().sum(-1)

    start = torch.full((5_000, 2), 3.0)
    ends = {}
    for drift in (0.0, 1.0):
        generator = torch.Generator().manual_seed(0)
        z = langevin(
            narrow, start, steps=200, step_size=step_size, adjust=True, drift=drift,
            generator=generator,
        )  # fmt: skip
        ends[drift] = z
    assert torch.equal(ends[0.0], start)  # every proposal was rejected
    assert covariance_error(ends[1.0], torch.eye(2) / steep) < 4.5
    with pytest.raises(UsageError, match="drift = 1"):
        langevin(narrow, start, steps=1, step_size=step_size, drift=1.0)


def test_same_generator_same_chain() -> None:
    z = torch.zeros(5, 2)
    ends = [
        langevin(gaussian, z, steps=7, step_size=0.3, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    ]
    assert torch.equal(*ends)


@pytest.mark.parametrize("activation", ["gelu", "silu", "leaky_relu", "tanh"])
@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("classes", [0, 4])
def test_closed_form_gradient_is_autograds(
    activation: str, bound: float | None, classes: int
) -> None:
    torch.manual_seed(0)
    if classes:
        prior: EBMPrior = CoupledPrior(
            3,
            classes,
            energy={"hidden": (16, 8), "activation": activation},
            bound=bound,
            stages=2,
            context_dim=2,
        )
    else:
        prior = EBMPrior(
            3,
            energy={"hidden": (16, 8), "activation": activation},
            bound=bound,
            stages=2,
            context_dim=2,
        )
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.5)
    context = torch.randn(6, 2)
    z = torch.randn(6, 3, requires_grad=True)
    labels = [None, torch.tensor([0, 1, 2, 3, 0, -1])] if classes else [None]
    for y in labels:
        target = prior.target(y, context)
        value, gradient = value_and_gradient(target, z.detach())
        expected = prior.log_prob(z, y, context)
        (slope,) = torch.autograd.grad(expected.sum(), z)
        assert torch.allclose(value, expected, atol=1e-5)
        assert torch.allclose(target(z), expected, atol=1e-5)
        assert torch.allclose(gradient, slope, atol=1e-5)


@pytest.mark.parametrize("classes", [0, 4])
@pytest.mark.parametrize("rows", [100, 70])
def test_gradients_in_bfloat16_are_the_same_within_its_rounding(classes: int, rows: int) -> None:
    """A chain may take a batch of another size (the last of several) than it was laid out for."""
    torch.manual_seed(0)
    prior = CoupledPrior(8, classes) if classes else EBMPrior(8)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.1)
    z = torch.randn(rows, 8)
    exact = prior.target().gradient(z) + z  # of f alone
    quick = prior.target(half_rows=100).gradient(z) + z
    assert prior.target(half_rows=100).layers[0][1].weight.dtype == torch.bfloat16
    # two roundings of 2^-9 at each of three products; errors of the 200 terms average out
    assert float((quick - exact).norm() / exact.norm()) < 0.01


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("bound", [None, 3.0])
@pytest.mark.parametrize("reference", ["gaussian", "uniform"])
@pytest.mark.parametrize("hidden", [(16,), (16, 24, 8)])
def test_a_fused_step_is_a_step_along_the_gradient(
    activation: str, bound: float | None, reference: str, hidden: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    prior = EBMPrior(
        4,
        energy={"hidden": hidden, "activation": activation},
        reference_std=1.5,
        bound=bound,
        reference=reference,
    )
    z, noise, half = torch.randn(7, 4), torch.randn(7, 4), 0.3
    target = prior.target()
    before = z.clone()
    step = target.fused_step(half, len(z))
    assert step is not None
    _, gradient = value_and_gradient(lambda z: prior.log_tilt(z), z)  # by autograd
    gradient = gradient if reference == "uniform" else gradient - z / 1.5**2
    for _ in range(2):  # the second finds the first's buffers
        assert torch.allclose(step(z, noise), z + half * gradient + noise, atol=1e-5)
        assert torch.allclose(step(z, None), z + half * gradient, atol=1e-5)
    assert torch.equal(z, before)


def test_a_fused_step_in_bfloat16_is_near_enough() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(8)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.1)
    z = torch.randn(100, 8)
    gradient = prior.target().gradient(z)
    step = prior.target(half_rows=100).fused_step(1.0, 100)
    assert step is not None and step.top.dtype == torch.bfloat16
    assert float((step(z, None) - z - gradient).norm() / gradient.norm()) < 0.01


@pytest.mark.parametrize("codes", [1, 3])
def test_a_fused_step_sees_the_context(codes: int) -> None:
    torch.manual_seed(0)
    prior = EBMPrior(4, energy={"hidden": (16, 8)}, context_dim=3)
    context, z = torch.randn(5, 3), torch.randn(5 * codes, 4)
    step = prior.target(context=context).fused_step(0.3, len(z))
    assert step is not None
    given = context.repeat_interleave(codes, 0)
    _, gradient = value_and_gradient(lambda z: prior.log_prob(z, context=given), z)
    assert torch.allclose(step(z, None), z + 0.3 * gradient, atol=1e-5)


def test_only_one_logit_is_fused() -> None:
    assert CoupledPrior(2, 3, energy={"hidden": (8,)}).target().fused_step(0.1, 5) is None
    assert EBMPrior(2, energy={"hidden": (8,)}, stages=2).target().fused_step(0.1, 5) is None


def test_total_adds_values_and_gradients() -> None:
    prior = GaussianPrior(2)
    z = torch.randn(4, 2)
    value, gradient = value_and_gradient(Total(gaussian, prior.target()), z)
    assert torch.allclose(value, gaussian(z) + prior.log_prob(z), atol=1e-5)
    assert torch.allclose(gradient, -z @ PRECISION - z, atol=1e-5)


def test_divergence_names_part_and_step() -> None:
    with pytest.raises(DivergenceError, match=r"toy chain .* at step \d+ of 60 .*step_size") as e:
        langevin(gaussian, torch.ones(3, 2), steps=60, step_size=3.0, name="toy chain")
    # |1 - s^2 lambda / 2| > 1 multiplies the largest coordinate each step, so it passes 1e4 early.
    assert int(str(e.value).split("at step ")[1].split()[0]) < 20


def test_nan_is_a_divergence() -> None:
    with pytest.raises(DivergenceError, match=r"became NaN at step 1 of 3"):
        langevin(lambda z: z.sum(-1) * math.nan, torch.ones(3, 2), steps=3, step_size=0.1)


def test_bad_arguments() -> None:
    z = torch.zeros(1, 2)
    with pytest.raises(UsageError, match="step_size = 0 is too small"):
        langevin(gaussian, z, steps=1, step_size=0)
    with pytest.raises(UsageError, match="steps = -1 is too small"):
        langevin(gaussian, z, steps=-1, step_size=0.1)
    with pytest.raises(UsageError, match="noise = 1, not 0.5"):
        langevin(gaussian, z, steps=1, step_size=0.1, noise=0.5, adjust=True)


def test_trace_records_each_step_and_keeps_states() -> None:
    chain = Chain(keep=(0, 2, 5))
    z = torch.randn(10, 2)
    end = langevin(gaussian, z, steps=5, step_size=0.1, trace=chain)
    assert len(chain.log_prob) == len(chain.acceptance) == len(chain.displacement) == 5
    assert torch.equal(chain.states[0], z)
    assert torch.equal(chain.states[5], end)
    assert torch.allclose(chain.log_prob[0], gaussian(z))
    assert float(torch.stack(chain.acceptance).min()) > 0.8  # a small step is nearly always taken


def test_small_steps_raise_the_log_density_on_average() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(4)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.3)
    z = 3 * torch.randn(200, 4)
    moved = langevin(prior.target(), z, steps=5, step_size=0.05, noise=0.0)
    assert bool((prior.log_prob(moved) > prior.log_prob(z)).float().mean() > 0.99)


@pytest.mark.parametrize("step_size", [0.2, 0.8])
def test_adjusted_chain_is_exact_in_the_box_of_a_uniform_reference(step_size: float) -> None:
    prior = EBMPrior(
        1,
        energy={"hidden": ()},
        sampler={"name": "mala", "steps": 300},
        bound=None,
        reference="uniform",
    )
    prior.step_size = step_size
    torch.nn.init.constant_(prior.tilts[0].layers[0].weight, 4.0)
    n = 4000
    z = prior.sample(n, generator=torch.Generator().manual_seed(0)).squeeze(1)
    mean, variance = 1 / math.tanh(4) - 1 / 4, 1 / 16 - 1 / math.sinh(4) ** 2
    assert float(z.abs().max()) <= 1
    assert abs(float(z.mean()) - mean) < 4.5 * (variance / n) ** 0.5


def test_a_rejected_step_moves_nothing_and_acceptance_needs_noise_one() -> None:
    def narrow(z: Tensor) -> Tensor:
        return -0.5 * (z / 1e-3).square().sum(-1)

    trace = Chain()
    start = torch.zeros(50, 2)
    end = langevin(narrow, start, steps=1, step_size=1.0, adjust=True, trace=trace)
    moved = (end - start).norm(dim=-1)
    assert torch.equal(trace.displacement[0], moved) and float(moved.max()) == 0
    trace = Chain()
    langevin(narrow, start, steps=1, step_size=1e-4, noise=0.5, trace=trace)
    assert bool(trace.acceptance[0].isnan().all())


def test_the_gradient_alone_is_that_of_value_and_gradient() -> None:
    prior = CoupledPrior(3, 4, energy={"hidden": (8,)}, stages=2)
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.3)
    z = torch.randn(6, 3)
    target = prior.target(torch.tensor([0, 1, 2, 3, -1, 0]))
    kept = z.clone()
    assert torch.equal(target.gradient(z), target.value_and_gradient(z)[1])  # type: ignore[attr-defined]
    assert torch.equal(z, kept)
