"""Controls of a conditioned prior: two contexts whose densities differ, against quadrature."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from toys import Linear

from lebm_core import (
    Batch,
    ClassIs,
    Control,
    ControlledPrior,
    CoupledPrior,
    EBMPrior,
    Function,
    GaussianPrior,
    LatentEBM,
    Property,
    PropertyHead,
    Refit,
    fit_property,
)
from lebm_core.chains.densities import value_and_gradient
from lebm_core.control.shift import control_shift
from lebm_core.errors import UsageError
from lebm_core.latent.codes import codes_with_classes
from lebm_core.learning.properties import fit_properties
from lebm_core.learning.refit import refit_prior
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

CONTEXTS = torch.tensor([[-1.5], [1.5]])
POOLS, SIZE = 10, 400
LINE = torch.linspace(-7, 7, 401)
GRID = torch.cartesian_prod(LINE, LINE)
CELL = 2 * math.log(14 / 400)


def coupled() -> CoupledPrior:
    torch.manual_seed(0)
    prior = CoupledPrior(
        2, 3, energy={"hidden": (32, 32)}, sampler={"steps": 40}, bound=4.0, context_dim=1
    )
    for p in prior.parameters():
        nn.init.normal_(p, std=0.6)
    return prior


def head() -> PropertyHead:
    torch.manual_seed(0)
    found = PropertyHead(2, (16,), context_dim=1)
    for p in found.parameters():
        nn.init.normal_(p, std=0.7)
    found.centre.fill_(3.0), found.scale.fill_(2.0), found.spread.fill_(0.4)
    return found


def towards(z: Tensor, context: Tensor) -> Tensor:
    return -2 * (z[:, :1] - context).square().sum(1) + z[:, 1]


CASES: dict[str, list[Control]] = {
    "function": [Function(towards, with_context=True)],
    "class and function": [ClassIs(1), Function(towards, 0.5, with_context=True)],
    "property": [Property("qed", target=5.0)],
    "class and property": [ClassIs(2), Property("qed", at_least=4.0)],
}


def log_density(name: str, prior: CoupledPrior, value: float) -> Tensor:
    """log p(z | context) up to a constant on the grid, written down again."""
    context = torch.full((len(GRID), 1), value)
    logits = prior.logits(GRID, context).double()
    f, near = logits.logsumexp(1), -2 * (GRID[:, 0] - value).square() + GRID[:, 1]
    mean = (3 + 2 * head().net(torch.cat([GRID, context], 1)).squeeze(1)).double()
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 0.8)
    tilt = {
        "still": f,
        "function": f + near,
        "class and function": logits[:, 1] + 0.5 * near,
        "property": f + normal.log_prob(5 - mean),
        "class and property": logits[:, 2] + normal.cdf(mean - 4).clamp(min=1e-300).log(),
    }
    return tilt[name] + prior.reference.log_prob(GRID).double()


def moments(z: Tensor) -> Tensor:
    return torch.cat([z, z.square(), z[..., :1] * z[..., 1:]], dim=-1).double()


QUICK = ("class and property",)  # both kinds of control


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES],
)
@torch.no_grad()
def test_each_contexts_draws_agree_with_quadrature(name: str) -> None:
    prior = coupled()
    controlled = ControlledPrior(prior, CASES[name], {"qed": head()})
    found = []
    for seed in range(POOLS):
        generator = torch.Generator().manual_seed(seed)
        z = controlled.smc(SIZE, context=CONTEXTS, generator=generator).z
        found.append(moments(z.view(2, SIZE, 2)).mean(1))
    means = torch.stack(found)
    error = means.std(0) / POOLS**0.5
    truths = []
    for row, value in enumerate(CONTEXTS[:, 0].tolist()):
        log_p = log_density(name, prior, value)
        truths.append(log_p.softmax(0) @ moments(GRID))
        # 5 moments in two contexts with 9 degrees of freedom: beyond 6 once in 500 tests
        assert float(((means[:, row].mean(0) - truths[row]) / error[row]).abs().max()) < 6
        still = log_density("still", prior, value).softmax(0) @ moments(GRID)
        assert float(((still - truths[row]) / error[row]).abs().max()) > 10
    assert float(((truths[0] - truths[1]) / error.amax(0)).abs().max()) > 10  # they do differ


@torch.no_grad()
def test_samples_see_each_its_own_context() -> None:
    prior = coupled()
    model = LatentEBM(prior, Linear(torch.eye(2), 0.01))
    n = 300
    context = CONTEXTS.repeat(n, 1)  # one, the other, one, the other
    generator = torch.Generator().manual_seed(0)
    x = model.sample(2 * n, control=CASES["function"], context=context, generator=generator)
    for row, value in enumerate(CONTEXTS[:, 0].tolist()):
        truth = log_density("function", prior, value).softmax(0) @ moments(GRID)
        seen = moments(x[row::2])
        assert float(((seen.mean(0) - truth) / (seen.std(0) / n**0.5)).abs().max()) < 4.5


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_autograds(name: str) -> None:
    controlled = ControlledPrior(coupled(), CASES[name], {"qed": head()})
    z, context = torch.randn(20, 2), torch.randn(20, 1)
    value, gradient = value_and_gradient(controlled.target(None, context), z)
    at = z.clone().requires_grad_()
    plain = controlled.log_prob(at, context=context)
    (slope,) = torch.autograd.grad(plain.sum(), at)
    assert torch.allclose(value, plain, atol=1e-4)
    assert torch.allclose(gradient, slope, atol=1e-4)


def test_a_gaussian_prior_obeys_functions_of_a_context() -> None:
    """f = 0: N(0, I) times N(z; context, 0.5^2), context by context."""
    pull = Function(lambda z, c: -2 * (z - c).square().sum(1), with_context=True)
    context = torch.tensor([[-2.0, 0.0], [2.0, 1.0]]).repeat_interleave(500, 0)
    z = ControlledPrior(GaussianPrior(2), [pull]).sample(
        1000, context=context, generator=torch.Generator().manual_seed(0)
    )
    for part, centre in zip(z.split(500), (context[0], context[-1]), strict=True):
        assert torch.allclose(part.mean(0), 0.8 * centre, atol=0.1)  # precision 4 against 1


@torch.no_grad()
def test_the_shift_is_the_mean_over_contexts() -> None:
    prior = coupled()
    controlled = ControlledPrior(prior, CASES["class and function"])
    shift = control_shift(
        controlled, 1500, context=CONTEXTS, generator=torch.Generator().manual_seed(0)
    )
    kls, ratios, gains = [], [], []
    for value in CONTEXTS[:, 0].tolist():
        before, after = (log_density(k, prior, value) for k in ("still", "class and function"))
        ratios.append(float(after.logsumexp(0) - before.logsumexp(0)))
        kls.append(float(after.softmax(0) @ (after - before)) - ratios[-1])
        gains.append(float(after.softmax(0) @ log_density("still", prior, value)))
    assert abs(kls[0] - kls[1]) > 0.3  # so that one of them alone would not do
    for found, truth in ((shift.kl, kls), (shift.log_ratio, ratios)):
        assert float(found) == pytest.approx(sum(truth) / 2, abs=8 * float(found.standard_error))
        assert float(found.standard_error) < 0.05
    assert float(shift.weighted) == pytest.approx(sum(ratios) / 2, abs=0.1)
    assert shift.contexts == 2 and "mean of 2 contexts" in str(shift)
    one = [
        control_shift(controlled, 400, context=c, generator=torch.Generator().manual_seed(1))
        for c in CONTEXTS[:, None]
    ]
    assert all("contexts" not in str(each) for each in one)
    assert shift.distance == pytest.approx(sum(each.distance for each in one) / 2, rel=0.3)
    with pytest.raises(UsageError, match=r"conditioned on 1 features .* context=\(c, features\)"):
        control_shift(controlled, 400)


# --- heads ---


def test_a_head_learns_what_only_code_and_context_tell(tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden": (8,)}
    decoder, encoder = TabularDecoder(2, 2, **sizes), TabularEncoder(2, 2, **sizes)  # type: ignore[arg-type]
    model = LatentEBM(GaussianPrior(2), decoder, encoder)
    z, context = torch.randn(3000, 2), torch.randn(3000, 1)
    values = 5 + 2 * z[:, 0] * context[:, 0] + 0.3 * torch.randn(3000)
    values[::7] = torch.nan
    generator = torch.Generator().manual_seed(0)
    small = {"hidden": (32,), "steps": 1000, "lr": 1e-2}
    blind = fit_property(model, "blind", z, values, generator=generator, **small)  # type: ignore[arg-type]
    seeing = fit_property(model, "mass", z, values, context=context, generator=generator, **small)  # type: ignore[arg-type]
    assert blind.r2 < 0.1 and seeing.r2 > 0.9 and 0.25 < seeing.sigma < 0.6
    model.save_pretrained(tmp_path)
    again = LatentEBM.from_pretrained(tmp_path).heads.known["mass"]
    assert torch.equal(again(z, context), model.heads.known["mass"](z, context))
    drawn = ControlledPrior(model.prior, [Property("mass", target=9.0)], model.heads.known).sample(
        400, context=context[:400], generator=generator
    )
    wrong = 5 + 2 * drawn[:, 0] * context[:400, 0] - 9
    assert float(wrong.abs().median()) < 2 * seeing.sigma
    with pytest.raises(UsageError, match="depends on a context of 1 features: pass context"):
        model.sample(4, control=Property("mass", target=9.0))
    with pytest.raises(UsageError, match=r"a context \(N, c\) for its 3000 codes, not \(5, 1\)"):
        fit_property(model, "mass", z, values, context=context[:5])


class Signed:
    """x is a code with noise, the context a sign; the property is their product."""

    def __init__(self, n: int = 600) -> None:
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(n, 2, generator=generator)
        self.context = torch.randn(n, 1, generator=generator).sign()
        self.y = (self.context[:, 0] > 0).long()

    def length(self, split: str) -> int:
        return len(self.x)

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], self.y[index], self.context[index])

    def order(self, split: str, size: int, generator: torch.Generator | None) -> list[Tensor]:
        return list(torch.randperm(len(self.x), generator=generator).split(size))

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        return {"signed": self.x[index, 0] * self.context[index, 0]}


def copying(model: LatentEBM, batch: Batch, **_: object) -> Tensor:
    """An inference that takes x for its code."""
    found: Tensor = batch.x
    return found


def test_heads_and_resting_codes_come_with_the_context_of_their_example() -> None:
    data = Signed()
    model = LatentEBM(
        CoupledPrior(2, 2, energy={"hidden": (8,)}, context_dim=1), Linear(torch.eye(2), 0.1)
    )
    model.inference = copying  # type: ignore[assignment]
    generator = torch.Generator().manual_seed(0)
    (fit,) = fit_properties(model, data, ["signed"], generator, lambda line: None)  # type: ignore[arg-type]
    assert fit.r2 > 0.9 and model.heads.known["signed"].context_dim == 1
    codes, p, context = codes_with_classes(model, data, 1000, 3, None, generator)  # type: ignore[arg-type]
    assert p is not None and context is not None and len(context) == len(codes) == 1800
    of = {tuple(x): c for x, c in zip(data.x.tolist(), data.context.tolist(), strict=True)}
    assert all(of[tuple(z)] == c for z, c in zip(codes.tolist(), context.tolist(), strict=True))
    assert torch.equal(p[:, 1], (context[:, 0] > 0).float())
    model.prior = EBMPrior(2, energy={"hidden": (8,)}, context_dim=1)
    assert codes_with_classes(model, data, 1000, 1, None, generator)[1] is None  # type: ignore[arg-type]


# --- the finish ---


@pytest.mark.parametrize("classes", [0, 2])
def test_the_finish_reaches_the_density_of_each_context(classes: int) -> None:
    """Codes lie about (-1.2, y) or (1.2, y) by their context's sign; y is -0.8 or 0.8 by class."""
    generator = torch.Generator().manual_seed(0)
    n, spread = 15_000, 0.4
    sign = torch.randn(n, 1, generator=generator).sign()
    rare = 0.5 + 0.3 * sign[:, 0]  # of the first class: the classes' shares differ too
    y = (torch.rand(n, generator=generator) > rare).long()
    centre = torch.cat([1.2 * sign, (1.6 * y - 0.8)[:, None]], 1)
    codes = centre + spread * torch.randn(n, 2, generator=generator)
    torch.manual_seed(0)
    if classes:
        prior: EBMPrior = CoupledPrior(
            2, 2, energy={"hidden": (32, 32)}, sampler={"step_size": 0.2}, context_dim=1
        )
    else:
        prior = EBMPrior(2, energy={"hidden": (32, 32)}, sampler={"step_size": 0.2}, context_dim=1)
    rule = {"name": "density-ratio", "code_pool": 0}
    refit = Refit(steps=250, rule=rule, lr=1e-2, batch=400)
    p = nn.functional.one_hot(y, 2).float() if classes else None
    refit_prior(
        prior, codes, refit, drift_limit=5.0, generator=generator, log=lambda line: None, p=p,
        context=sign,
    )  # fmt: skip
    line = torch.linspace(-5, 5, 201)
    grid = torch.cartesian_prod(line, line)
    for value in (-1.0, 1.0):
        context = torch.full((len(grid), 1), value)
        share = torch.tensor([0.5 + 0.3 * value, 0.5 - 0.3 * value])
        middle = torch.tensor([[1.2 * value, -0.8], [1.2 * value, 0.8]])
        each = torch.distributions.Normal(middle, spread).log_prob(grid[:, None]).sum(-1)
        each = each + share.log()
        with torch.no_grad():
            ours = prior.log_prob(grid, context=context).softmax(0)
            assert float((ours - each.logsumexp(1).softmax(0)).abs().sum() / 2) < 0.15
            if classes:
                first = torch.zeros(len(grid), dtype=torch.long)
                ours = prior.log_prob(grid, first, context).softmax(0)
                assert float((ours - each[:, 0].softmax(0)).abs().sum() / 2) < 0.15


# --- what is refused ---


def test_a_function_of_a_context_needs_one() -> None:
    model = LatentEBM(GaussianPrior(2), Linear(torch.eye(2), 0.1))
    near = Function(towards, with_context=True, name="near")
    with pytest.raises(UsageError, match='"near" is a function of z and a context: pass'):
        model.sample(4, control=near)
    with pytest.raises(UsageError, match='"near" must give one value for each z'):
        wrong = Function(lambda z, c: z + c, with_context=True, name="near")
        model.sample(4, control=wrong, context=torch.zeros(4, 1))
