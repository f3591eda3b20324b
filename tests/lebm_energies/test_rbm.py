"""The restricted Boltzmann machine against sums over all of its states."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import chi2
from torch import Tensor

from lebm_core import EBMPrior, contracts, log_z
from lebm_core.errors import UsageError
from lebm_energies.chains.gibbs import Gibbs
from lebm_energies.data.binary import bars
from lebm_energies.learning.divergence import ContrastiveDivergence
from lebm_energies.metrics.rbm import Annealing, measured, pseudo_likelihood
from lebm_energies.priors.annealing import from_model, from_reference, high_log_z
from lebm_energies.priors.enumeration import exact_draws, exact_log_z, states
from lebm_energies.priors.rbm import RBMPrior
from lebm_energies.priors.units import GaussianUnits

VISIBLE, HIDDEN = 5, 3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def machine(kind: str = "binary", d: int = VISIBLE, hidden: int = HIDDEN, seed: int = 0,
            learn: bool = False, scale: float = 1.0) -> RBMPrior:  # fmt: skip
    """A machine with weights of all kinds, p0 included."""
    prior = RBMPrior(d, hidden, kind, learn_sigma=learn, sigma=0.7 if kind == "gaussian" else 1.0)  # type: ignore[arg-type]
    generator = seeded(seed)
    with torch.no_grad():
        for each in (*prior.parameters(), *prior.units.buffers()):
            each.copy_(scale * 0.8 * torch.randn(each.shape, generator=generator))
    return prior


def joint(prior: RBMPrior, v: Tensor) -> Tensor:
    """log p(v, h) + log Z for binary v (n, d), (n, 2^H), term by term."""
    base = prior.reference.log_prob(v.double())
    rows = []
    for h in itertools.product((0.0, 1.0), repeat=prior.hidden):
        each = torch.tensor(h, dtype=torch.float64)
        energy = v.double() @ prior.weight.double() @ each
        bias = v.double() @ prior.visible_bias.double() + prior.hidden_bias.double() @ each
        rows.append(base + energy + bias - prior.hidden * math.log(2))
    return torch.stack(rows, 1)


def probabilities(prior: RBMPrior) -> Tensor:
    """p of each state of `states(d)`, (2^d,)."""
    return prior.log_prob(states(prior.latent_dim).float()).double().softmax(0).detach()


def chi_square(prior: RBMPrior, v: Tensor) -> tuple[float, float]:
    """The statistic of draws v against p over all states, and what one draw in 10^5 exceeds."""
    p = probabilities(prior)
    numbers = (v.long() * 2 ** torch.arange(v.shape[1])).sum(1)
    counts = torch.bincount(numbers, minlength=len(p)).double()
    expected = len(v) * p
    assert float(expected.min()) > 5
    return float(((counts - expected).square() / expected).sum()), chi2.ppf(1 - 1e-5, len(p) - 1)


def test_the_density_sums_out_the_hidden_units() -> None:
    prior, v = machine(), states(VISIBLE).float()
    every = joint(prior, v)
    torch.testing.assert_close(prior.log_prob(v).double(), every.logsumexp(1), atol=2e-5, rtol=0)
    assert abs(float(exact_log_z(prior)) - float(every.detach().logsumexp((0, 1)))) < 1e-6
    assert float(prior.path(v, 0.0).abs().max()) < 1e-6
    prior.forget(0)
    assert float(prior.log_tilt(v).abs().max()) < 1e-6 and abs(float(exact_log_z(prior))) < 1e-6


def test_both_sides_give_the_same_log_z() -> None:
    wide = machine(d=6, hidden=9)  # by the visible side
    truth = wide.log_prob(states(6).float()).double().logsumexp(0)
    assert abs(float(exact_log_z(wide)) - float(truth)) < 1e-5
    long = machine(d=9, hidden=6)
    truth = long.log_prob(states(9).float()).double().logsumexp(0)
    assert abs(float(exact_log_z(long)) - float(truth)) < 1e-5
    with pytest.raises(UsageError, match="at most 20"):
        exact_log_z(RBMPrior(30, 21))


@pytest.mark.parametrize("learn", [False, True])
def test_gaussian_units_agree_with_quadrature(learn: bool) -> None:
    prior = machine("gaussian", d=2, learn=learn, scale=0.7)
    found = log_z(prior, method="quadrature", points=601)
    # a grid of 600 cells over 16 standard deviations; float32 sums
    assert abs(float(found) - float(exact_log_z(prior))) < 1e-4


@pytest.mark.parametrize("learn", [False, True])
def test_gibbs_of_gaussian_units_has_the_exact_moments(learn: bool) -> None:
    prior, n = machine("gaussian", d=3, learn=learn), 20_000
    assert isinstance(prior.units, GaussianUnits)
    h = states(HIDDEN).float()
    with torch.no_grad():
        field = prior.field(h)
        p = (h @ prior.hidden_bias + prior.units.log_mean(field)).softmax(0)
        centre = prior.units.mean + 0.7 * field / prior.units.precision()
        mean = p @ centre
        variance = p @ (centre - mean).square() + 0.49 / prior.units.precision()
    v = Gibbs(200)(prior.target(), prior.draw_reference(n, seeded(1)), generator=seeded(2))
    assert bool(((v.mean(0) - mean).abs() < 4.5 * (variance / n).sqrt()).all())
    # two states of the mean at most widen the tails: kurtosis below 3, so sqrt(2 / n) bounds it
    assert bool(((v.var(0) / variance - 1).abs() < 4.5 * math.sqrt(2 / n)).all())


def test_gibbs_leaves_the_density_as_it_is() -> None:
    prior, n = machine(scale=0.5), 40_000
    drawn = exact_draws(prior, n, seeded(1))
    statistic, limit = chi_square(prior, drawn)
    assert statistic < limit
    moved = Gibbs(3)(prior.target(), drawn, generator=seeded(2))
    assert not torch.equal(moved, drawn)
    statistic, limit = chi_square(prior, moved)
    assert statistic < limit
    cool = prior.gibbs_step(drawn, seeded(2), 0.5)  # of another density: the test would see it
    assert chi_square(prior, cool)[0] > limit


def test_chains_from_p0_come_to_the_density() -> None:
    prior = machine(scale=0.5)
    v = prior.sample(40_000, sampler=Gibbs(60), generator=seeded(3))
    statistic, limit = chi_square(prior, v)
    assert statistic < limit


def test_contrastive_divergence_of_many_steps_has_the_gradient_of_the_likelihood() -> None:
    prior, n = machine(), 20_000
    data = states(VISIBLE).float()[torch.randint(4, 20, (n,), generator=seeded(4))]
    v = states(VISIBLE).float()
    (-prior.log_prob(data).mean() + prior.log_prob(v).logsumexp(0)).backward()  # type: ignore[no-untyped-call]
    exact = [p.grad.clone() for p in prior.parameters() if p.grad is not None]
    prior.zero_grad()
    rule = ContrastiveDivergence(chain_steps=60)
    rule(prior, data, None, 0.0, seeded(5)).loss.backward()  # type: ignore[no-untyped-call]
    found = [p.grad.clone() for p in prior.parameters() if p.grad is not None]
    assert len(found) == 3
    for a, b in zip(exact, found, strict=True):
        # each is a mean over n draws of a number in [0, 1], whose standard deviation is at most .5
        assert float((a - b).abs().max()) < 4.5 * 0.5 / math.sqrt(n)
        assert float(a.abs().max()) > 10 * 0.5 / math.sqrt(n)  # and the test could tell


def test_annealing_from_both_ends_meets_the_exact_log_z() -> None:
    prior, n = machine(d=12, hidden=10), 2_000
    exact = float(exact_log_z(prior))
    low = log_z(prior, method="ais", n_samples=n, temperatures=100, generator=seeded(6))
    high = high_log_z(prior, exact_draws(prior, n, seeded(7)), 100, seeded(8))
    for each in (low, high):
        assert abs(float(each) - exact) < 4.5 * float(each.standard_error) < 0.1
    # few temperatures: a chain alone is low on average, and high from the other end
    below = from_reference(prior, n, 3, seeded(9))
    above = -from_model(prior, exact_draws(prior, n, seeded(7)), 3, seeded(10))
    for weights, sign in ((below, -1), (above, 1)):
        error = float(weights.std()) / math.sqrt(n)
        assert sign * (float(weights.mean()) - exact) > 4.5 * error


def test_what_is_measured_is_what_is_summed() -> None:
    data = bars(files=None, seed=0, side=3, flips=0.05, train=200, valid=10, test=300)
    prior = machine(d=9, hidden=4)
    found = measured(prior, data, "test", Annealing(200, 50, 10), seeded())
    x = data.images["test"].flatten(1)
    log_p = prior.log_prob(x).double() - prior.log_prob(states(9).float()).double().logsumexp(0)
    assert abs(float(found["log_likelihood"].value or 0) - float(log_p.mean())) < 1e-4
    truth = float((data.log_prob(x) - log_p).mean())
    assert abs(float(found["below_truth"].value or 0) - truth) < 1e-4
    for name in ("ais_low", "ais_high"):
        error = found[name].standard_error or 0
        assert abs(float(found[name].value or 9)) < 5 * error < 0.5
    p = probabilities(prior).view((2,) * 9)  # the last axis is pixel 0
    row = x[:1].long()[0].tolist()
    total = 0.0
    for i in range(9):
        at = [row[j] for j in reversed(range(9))]
        both = [float(p[tuple(at[: 8 - i] + [b] + at[9 - i :])]) for b in (0, 1)]
        total += math.log(both[row[i]] / sum(both))
    assert abs(float(pseudo_likelihood(prior, x[:1])) - total) < 1e-4


def test_samplers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match='"gibbs"'):
        RBMPrior(4, 2, sampler={"name": "langevin"})
    with pytest.raises(UsageError, match="blocks"):
        EBMPrior(2, sampler={"name": "gibbs"}).sample(3)
    gaussian = RBMPrior(4, 2, "gaussian", sampler={"name": "mala", "steps": 3})
    assert gaussian.sample(5, generator=seeded()).shape == (5, 4)


def test_a_learned_width_keeps_the_contract_of_priors() -> None:
    contracts.check_prior("rbm", {"visible": "gaussian", "learn_sigma": True, "sigma": 0.8})
