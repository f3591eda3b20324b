"""Controlled priors against quadrature in two dimensions; names, refusals and how far it moves."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lebm_core import (
    ClassIs,
    Control,
    ControlledPrior,
    CoupledPrior,
    EBMPrior,
    Function,
    GaussianPrior,
    MixturePrior,
    Not,
    Property,
    PropertyHead,
)
from lebm_core.base.statistics import frechet
from lebm_core.chains.densities import value_and_gradient
from lebm_core.chains.smc import smc
from lebm_core.control.sampling import ids_of
from lebm_core.control.shift import control_shift
from lebm_core.errors import DivergenceError, UnsupportedEstimate, UsageError

NAMES = ("calm", "busy", "loud")
POOLS, SIZE = 10, 400  # pools tempered apart: their spread is the error of their mean


def coupled(seed: int = 0, **options: object) -> CoupledPrior:
    torch.manual_seed(seed)
    prior = CoupledPrior(
        2, 3, energy={"hidden": (32, 32)}, sampler={"steps": 40}, bound=4.0, **options
    )  # type: ignore[arg-type]
    for p in prior.parameters():
        nn.init.normal_(p, std=0.6)
    return prior


def head(seed: int = 0) -> PropertyHead:
    torch.manual_seed(seed)
    found = PropertyHead(2, (16,))
    for p in found.parameters():
        nn.init.normal_(p, std=0.7)
    found.centre.fill_(3.0), found.scale.fill_(2.0), found.spread.fill_(0.4)
    return found


def hill(z: Tensor) -> Tensor:
    return -2 * (z[:, 0] - 1).square() + z[:, 1]


def half(z: Tensor) -> Tensor:
    return torch.where(z[:, 0] > 0.5, 0.0, -torch.inf)  # no gradient leads there


def moments(z: Tensor) -> Tensor:
    """Means and second moments, (n, 5)."""
    return torch.cat([z, z.square(), z[:, :1] * z[:, 1:]], dim=1)


class Grid:
    """A density on a grid in the plane."""

    def __init__(self) -> None:
        line = torch.linspace(-7, 7, 501)
        self.z = torch.cartesian_prod(line, line)
        self.cell = 2 * math.log(14 / 500)

    def expectation(self, log_p: Tensor, of: Tensor) -> Tensor:
        return log_p.double().softmax(0) @ of.double()

    def log_z(self, log_p: Tensor) -> float:
        return float(log_p.double().logsumexp(0)) + self.cell


GRID = Grid()


def tilts(prior: CoupledPrior, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """F (B, 3), log p0 and log p(y | z), written down again from their definitions."""
    logits = prior.logits(z).double()
    return logits, prior.reference.log_prob(z).double(), logits.log_softmax(1)


CASES: dict[str, list[Control]] = {
    "class": [ClassIs("busy")],
    "class, strong": [ClassIs(1, strength=4.0)],
    "class, weak": [ClassIs(1, strength=0.5)],
    "either": [ClassIs("calm", "loud")],
    "not": [Not("busy", strength=3.0)],
    "product": [ClassIs(2, strength=0.7), ClassIs(0, strength=0.6)],
    "product of a class and a function": [ClassIs(0), Function(hill, 0.7)],
    "property": [Property("qed", target=5.0)],
    "property at least, not that class": [Property("qed", at_least=4.0), Not(ClassIs(0))],
    "hard": [Function(half)],
}


def expected(name: str, prior: CoupledPrior) -> Tensor:
    """log p(z) up to a constant on the grid."""
    z = GRID.z
    logits, reference, log_p = tilts(prior, z)
    f = logits.logsumexp(1)
    mean = (3 + 2 * head().net(z).squeeze(1)).double()
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 0.8)
    p = log_p.exp()
    tilt = {
        "class": logits[:, 1],
        "class, strong": f + 4 * log_p[:, 1],
        "class, weak": 0.5 * (f + logits[:, 1]),
        "either": torch.logaddexp(logits[:, 0], logits[:, 2]),
        "not": f + 3 * (p[:, 0] + p[:, 2]).log(),
        "product": f + 0.7 * log_p[:, 2] + 0.6 * log_p[:, 0],
        "product of a class and a function": logits[:, 0] + 0.7 * hill(z),
        "property": f + normal.log_prob(5 - mean),
        "property at least, not that class": f
        + normal.cdf(mean - 4).clamp(min=1e-300).log()
        + (p[:, 1] + p[:, 2]).log(),
        "hard": torch.where(z[:, 0] > 0.5, f, -torch.inf),
    }
    return tilt[name] + reference


QUICK = ("class", "not", "product of a class and a function", "hard")  # one of each kind of control


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES]
)
@torch.no_grad()
def test_draws_agree_with_quadrature(name: str) -> None:
    prior = coupled()
    controlled = ControlledPrior(prior, CASES[name], {"qed": head()}, NAMES)
    log_p = expected(name, prior)
    truth = GRID.expectation(log_p, moments(GRID.z))
    still = GRID.expectation(expected_of(prior), moments(GRID.z))
    found = []
    for seed in range(POOLS):
        generator = torch.Generator().manual_seed(seed)
        found.append(moments(controlled.smc(SIZE, generator=generator).z).mean(0))
    means = torch.stack(found).double()
    error = means.std(0) / POOLS**0.5
    # 5 moments with 9 degrees of freedom each: beyond 6 once in 1,000 tests
    assert float(((means.mean(0) - truth) / error).abs().max()) < 6
    assert float(((still - truth) / error).abs().max()) > 10  # so that the test can tell


def expected_of(prior: CoupledPrior) -> Tensor:
    logits, reference, _ = tilts(prior, GRID.z)
    return logits.logsumexp(1) + reference


@pytest.mark.parametrize("name", [n for n in CASES if n != "hard"])
def test_the_gradient_is_autograds(name: str) -> None:
    prior = coupled()
    controlled = ControlledPrior(prior, CASES[name], {"qed": head()}, NAMES)
    z = torch.randn(20, 2)
    value, gradient = value_and_gradient(controlled.target(), z)
    at = z.clone().requires_grad_()
    plain = controlled.log_prob(at)
    (slope,) = torch.autograd.grad(plain.sum(), at)
    assert torch.allclose(value, plain, atol=1e-4)
    assert torch.allclose(gradient, slope, atol=1e-4)


def test_a_class_at_strength_one_is_its_own_tilt() -> None:
    prior, z = coupled(), torch.randn(50, 2)
    controlled = ControlledPrior(prior, [ClassIs(2)])
    y = torch.full((50,), 2)
    assert torch.allclose(controlled.log_tilt(z), prior.log_tilt(z, y), atol=1e-5)


@torch.no_grad()
def test_modes_get_their_share_where_no_chain_crosses() -> None:
    """Two modes 12 deviations apart: only weights can move mass from one to the other."""
    torch.manual_seed(0)
    centres = torch.tensor([[-3.0, 0.0], [3.0, 0.0]])

    def at(beta: float):  # noqa: ANN202
        def log_p(z: Tensor) -> Tensor:
            away = -0.5 * (z[:, None] - centres).square().sum(2) / 0.25
            return away.logsumexp(1) + beta * change(z)

        return log_p

    def change(z: Tensor) -> Tensor:
        return math.log(4) * (z[:, 0] > 0)

    shares, ratios = [], []
    for seed in range(POOLS):
        generator = torch.Generator().manual_seed(seed)
        which = torch.randint(2, (SIZE,), generator=generator)
        z = centres[which] + 0.5 * torch.randn(SIZE, 2, generator=generator)
        found = smc(z, at, change, steps=20, generator=generator)
        shares.append((found.z[:, 0] > 0).double().mean())
        ratios.append(found.log_ratio[0])
    for values, truth in ((shares, 0.8), (ratios, math.log(2.5))):
        each = torch.stack(values)
        assert abs(float(each.mean()) - truth) < 6 * float(each.std()) / POOLS**0.5


@torch.no_grad()
def test_each_context_has_draws_of_its_own() -> None:
    prior = coupled(context_dim=1)
    controlled = ControlledPrior(prior, [ClassIs(1)])
    n = 300
    context = torch.tensor([[-2.0], [2.0]]).repeat_interleave(n, 0)
    z = controlled.sample(2 * n, context=context, generator=torch.Generator().manual_seed(0))
    for part, value in zip(z.split(n), (-2.0, 2.0), strict=True):
        given = torch.full((len(GRID.z), 1), value)
        log_p = prior.log_prob(GRID.z, torch.ones(len(GRID.z), dtype=torch.long), given)
        truth = GRID.expectation(log_p, moments(GRID.z))
        seen = moments(part).double()
        error = seen.std(0) / n**0.5
        assert float(((seen.mean(0) - truth) / error).abs().max()) < 4.5


@torch.no_grad()
def test_weights_alone_are_right_for_each_context() -> None:
    """Chains that hardly move must not matter: each context's draw is taken by its weight."""
    prior = EBMPrior(
        2, energy={"hidden": (8,)}, sampler={"step_size": 1e-4, "steps": 0}, context_dim=1
    )
    for p in prior.parameters():
        nn.init.zeros_(p)
    nine = Function(lambda z: math.log(9) * (z[:, 0] > 0))
    n = 1000
    z = ControlledPrior(prior, [nine]).sample(
        n, context=torch.zeros(n, 1), generator=torch.Generator().manual_seed(0)
    )
    share = float((z[:, 0] > 0).float().mean())
    assert abs(share - 0.9) < 4.5 * (0.9 * 0.1 / n) ** 0.5 + 0.01  # a pool of 32 is biased by 1/32


@torch.no_grad()
def test_samples_are_of_the_pool_and_repeatable() -> None:
    controlled = ControlledPrior(coupled(), [ClassIs(1)])
    draws = [controlled.sample(7, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert draws[0].shape == (7, 2) and torch.equal(*draws)
    many = controlled.sample(400, generator=torch.Generator().manual_seed(0))
    assert len(many.unique(dim=0)) > 350


@pytest.mark.parametrize(
    "make",
    [
        lambda: GaussianPrior(2),
        lambda: MixturePrior(2, 2),
        lambda: EBMPrior(2, energy={"hidden": (8,)}),
    ],
)
def test_any_prior_with_a_density_takes_functions(make: Callable[[], EBMPrior]) -> None:
    torch.manual_seed(0)
    prior = make()
    z = ControlledPrior(prior, [Function(lambda z: 3 * z[:, 0])]).sample(
        500, generator=torch.Generator().manual_seed(0)
    )
    assert float(z[:, 0].mean()) > 1.5 and abs(float(z[:, 1].mean())) < 0.5
    with pytest.raises(UsageError, match="has no classes: y needs a coupled prior"):
        ControlledPrior(prior, [ClassIs(0)])


# --- how far it moves ---


def test_the_shift_agrees_with_quadrature() -> None:
    prior = coupled()
    controlled = ControlledPrior(prior, [ClassIs("busy"), Function(hill, 0.3)], {}, NAMES)
    shift = control_shift(controlled, 4000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = expected_of(prior), controlled.log_prob(GRID.z).double()
        log_ratio = GRID.log_z(after) - GRID.log_z(before)
        change = controlled.change(GRID.z)
        kl = float(GRID.expectation(after, change)) - log_ratio
        f = GRID.expectation(after, prior.log_tilt(GRID.z))
    # four pools: Student's t with 3 degrees of freedom is beyond 8 once in 250
    assert abs(float(shift.log_ratio) - log_ratio) < 8 * float(shift.log_ratio.standard_error)
    assert abs(float(shift.kl) - kl) < 8 * float(shift.kl.standard_error)
    assert abs(float(shift.weighted) - log_ratio) < 4.5 * float(shift.weighted.standard_error)
    assert abs(shift.tilt[1] - float(f)) < 0.15
    ess = float(GRID.expectation(before, change.exp())) ** 2 / float(
        GRID.expectation(before, (2 * change).exp())
    )
    assert abs(shift.ess - ess) < 0.1 * ess + 0.02
    text = str(shift)
    assert "y = busy" in text and "KL from the prior" in text and "refused" not in text


def test_no_strength_is_no_shift() -> None:
    shift = control_shift(
        ControlledPrior(coupled(), [ClassIs(1, strength=0.0)]), 400,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    assert shift.ess == pytest.approx(1) and float(shift.kl) == pytest.approx(0, abs=1e-9)
    assert shift.distance < 0.2


def test_a_shift_that_few_draws_cannot_tell_is_refused() -> None:
    far = Function(lambda z: -200 * (z - 3).square().sum(1))
    controlled = ControlledPrior(GaussianPrior(2), [far])
    shift = control_shift(controlled, 200, generator=torch.Generator().manual_seed(0))
    with pytest.raises(
        UnsupportedEstimate, match="by annealing is .* standard error exceeds 0.1 nats"
    ):
        _ = shift.kl
    assert "refused: log Z" in str(shift)
    with pytest.raises(UsageError, match="at least 200 draws, not 50"):
        control_shift(controlled, 50)


def test_frechet_distance_of_two_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(50_000, 2, generator=generator)
    b = 2 * torch.randn(50_000, 2, generator=generator) + torch.tensor([1.0, 0.0])
    assert frechet(a, b) == pytest.approx(1 + 2 * (2 - 1) ** 2, rel=0.03)
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)


# --- what is refused ---


def test_names_that_are_not_known() -> None:
    prior, heads = coupled(), {"qed": head()}

    def refused(control: Control, match: str) -> None:
        with pytest.raises(UsageError, match=match):
            ControlledPrior(prior, [control], heads, NAMES)

    refused(ClassIs("bussy"), 'no class "bussy". Did you mean "busy".* Known: calm, busy, loud')
    refused(ClassIs(3), 'no class "3". Known: calm, busy, loud')
    refused(Property("qad", target=1), 'no property "qad". Did you mean "qed".* Known: qed')
    refused(Not(ClassIs(0, 1, 2)), "leaves no class")
    with pytest.raises(UsageError, match="Class ids run from 0 to 2, not 3"):
        ControlledPrior(prior, [ClassIs(3)])
    with pytest.raises(UsageError, match="A control is a ClassIs, .* not 'busy'"):
        ControlledPrior(prior, ["busy"], heads, NAMES)  # type: ignore[list-item]


def test_classes_come_in_any_container_but_are_whole_numbers() -> None:
    assert ids_of(np.array([2, 0]), 2, 3, ()).tolist() == [2, 0]
    assert ids_of("two", 2, 3, ("nought", "one", "two")).tolist() == [2, 2]
    for wrong in (0.7, [0, None], np.array([0.5, 1.0])):
        with pytest.raises(UsageError, match="Class ids run from 0 to 2"):
            ids_of(wrong, 2, 3, ())


def test_controls_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="takes one of target, .* not target, at_least"):
        Property("qed", target=1, at_least=2)
    with pytest.raises(UsageError, match="not none"):
        Property("qed")
    with pytest.raises(UsageError, match="strength must be 0 or more, not -1"):
        ClassIs(0, strength=-1)
    for control in (Property("qed", target=1), Function(hill)):
        with pytest.raises(UsageError, match="Not\\(\\) needs a control that is a probability"):
            Not(control)
    with pytest.raises(UsageError, match="must give one value for each z, \\(400,\\), not"):
        ControlledPrior(coupled(), [Function(lambda z: z)]).smc(400)


def test_a_control_that_no_chain_can_follow_is_a_divergence() -> None:
    prior = coupled()
    with pytest.raises(DivergenceError, match="not a number, or infinite"):
        ControlledPrior(prior, [Function(lambda z: z[:, 0] * math.nan)]).smc(50)
    with pytest.raises(DivergenceError, match="no draw that the controls allow"):
        ControlledPrior(prior, [Function(lambda z: z[:, 0] - torch.inf)]).smc(50)
    with pytest.raises(DivergenceError, match="left every bound .* grows faster than p0 falls"):
        ControlledPrior(prior, [Function(lambda z: 1e3 * z.square().sum(1))]).smc(50)


def test_a_context_without_a_possible_draw_is_a_divergence() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(2, energy={"hidden": (8,)}, sampler={"steps": 5}, context_dim=1)
    rare = Function(lambda z: torch.where(z[:, 0] > 3.2, 0.0, -torch.inf))
    with pytest.raises(DivergenceError, match="the control is impossible"):
        ControlledPrior(prior, [rare]).sample(
            200, context=torch.randn(200, 1), generator=torch.Generator().manual_seed(0)
        )
