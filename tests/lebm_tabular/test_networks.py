"""Likelihoods of columns: they agree with scipy's, and missing values are left out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from lebm_core import Amortized, Batch, CoupledPrior, GaussianPrior, LatentEBM, Symbols, TwoPart
from lebm_core.errors import UsageError
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D, F = 2, 3
KINDS = ("gaussian", "student", "bernoulli")


def decoder(kind: str, learn_sigma: bool = False) -> TabularDecoder:
    torch.manual_seed(0)
    made = TabularDecoder(D, F, (8,), 0.5, kind, learn_sigma, degrees=3.0)
    if made.log_sigma is not None:
        made.log_sigma.data = torch.tensor([-2.0, -1.0, 0.5])
    return made


def examples(kind: str, n: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, F, generator=generator)
    return (x > 0).float() if kind == "bernoulli" else x


def with_holes(x: Tensor) -> Tensor:
    holes = torch.rand(x.shape, generator=torch.Generator().manual_seed(2)) < 0.4
    holes[0], holes[1] = True, False  # a row of nothing, and a whole one
    return torch.where(holes, torch.nan, x)


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_densities_are_scipys(kind: str, learn_sigma: bool) -> None:
    p, x = decoder(kind, learn_sigma), examples(kind)
    z = torch.randn(len(x), D)
    with torch.no_grad():
        found, centre = p(z).log_prob(x).numpy(), p.net(z).numpy()
    sigma = np.asarray(p.sigma.detach() if isinstance(p.sigma, Tensor) else p.sigma)
    expected = {
        "gaussian": lambda: stats.norm.logpdf(x, centre, sigma),
        "student": lambda: stats.t.logpdf(x, 3.0, centre, sigma),
        "bernoulli": lambda: stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-centre))),
    }[kind]().sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(p.likelihood(x)(z).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_with_holes_has_the_density_of_its_observed_columns(kind: str) -> None:
    p, whole = decoder(kind), examples(kind)
    x, z = with_holes(whole), torch.randn(40, D, requires_grad=True)
    found = p.likelihood(x)(z)
    each = p(z).base_dist.log_prob(whole)
    for row in range(len(x)):
        seen = ~x[row].isnan()
        torch.testing.assert_close(found[row], each[row, seen].sum())
    assert found[0] == 0
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert bool(gradient.isfinite().all())
    drawn = p(z).sample()
    assert drawn.shape == x.shape and bool(drawn.isfinite().all())


def test_a_density_over_the_observed_plane_integrates_to_one() -> None:
    for kind in ("gaussian", "student"):
        p, z = decoder(kind), torch.randn(1, D)
        line = torch.linspace(-60, 60, 1201)
        grid = torch.cartesian_prod(line, line)
        x = torch.cat([grid, torch.full((len(grid), 1), torch.nan)], dim=1)
        with torch.no_grad():
            mass = p(z).log_prob(x).double().exp().sum() * float(line[1] - line[0]) ** 2
        assert float(mass) == pytest.approx(1, abs=1e-3)


def test_the_encoder_sees_what_is_missing() -> None:
    torch.manual_seed(0)
    q = TabularEncoder(D, F, (8,), missing=True)
    zero, hole = torch.zeros(1, F), torch.tensor([[torch.nan, 0.0, 0.0]])
    assert not torch.equal(q(zero).mean, q(hole).mean)
    assert bool(q(hole).mean.isfinite().all())
    with pytest.raises(UsageError, match="make the encoder with missing=True"):
        TabularEncoder(D, F, (8,))(hole)


@pytest.mark.parametrize("rule", ["variational", "mcmc", "autoencoder"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_rule_of_learning_turns_nan(kind: str, rule: str) -> None:
    torch.manual_seed(0)
    x = with_holes(examples(kind))
    labelled = rule != "autoencoder"
    prior = CoupledPrior(D, 2, {"hidden": [8]}) if labelled else GaussianPrior(D)
    model = LatentEBM(prior, decoder(kind, True), TabularEncoder(D, F, (8,), missing=True))
    options = {"name": rule} | ({"kl_cycles": 0} if rule == "variational" else {})
    symbols = {"vat": 5.0, "information": 1.0} if labelled else {}
    learning = TwoPart(options, symbols=Symbols(**symbols))
    batch = Batch(x, torch.arange(40) % 2 if labelled else None)
    outcome = learning(model, batch, generator=torch.Generator().manual_seed(0))
    torch.stack(list(outcome.losses.values())).sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is None or bool(p.grad.isfinite().all()), name
    assert all(np.isfinite(float(v)) for v in outcome.metrics.values())


def test_missing_columns_are_filled_in_by_what_is_known() -> None:
    """x = (u, u): the hidden one follows the one that is seen."""
    torch.manual_seed(0)
    u = torch.randn(2000, 1)
    x = torch.cat([u, u], dim=1)
    holes = torch.where(torch.rand(x.shape) < 0.2, torch.nan, x)
    model = LatentEBM(
        GaussianPrior(1), TabularDecoder(1, 2, (16,), 0.1), TabularEncoder(1, 2, (32,), True),
        Amortized(),
    )  # fmt: skip
    learning = TwoPart({"kl_cycles": 0})
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        losses = learning(model, Batch(holes[torch.randint(2000, (200,))])).losses
        adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        adam.step()
    seen = torch.tensor([[1.0, torch.nan], [-1.0, torch.nan]])
    generator = torch.Generator().manual_seed(0)
    done = model.complete(seen, torch.ones_like(seen, dtype=torch.bool), generator=generator)
    torch.testing.assert_close(done[:, 0], seen[:, 0])
    torch.testing.assert_close(done[:, 1], seen[:, 0], atol=0.35, rtol=0)


def test_a_model_comes_back_with_its_likelihood(tmp_path: object) -> None:
    model = LatentEBM(GaussianPrior(D), decoder("student", True), TabularEncoder(D, F, (8,), True))
    model.save_pretrained(str(tmp_path))
    again = LatentEBM.from_pretrained(str(tmp_path))
    x, z = with_holes(examples("student")), torch.randn(40, D)
    with torch.no_grad():
        torch.testing.assert_close(again.decoder(z).log_prob(x), model.decoder(z).log_prob(x))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"likelihood": "gausian"},
            'decoder.likelihood = "gausian" is unknown.*Did you mean "gaussian"',
        ),
        ({"sigma": 0.0}, "decoder.sigma = 0.0 is too small; use a number above 0"),
        ({"degrees": 1.0}, "decoder.degrees = 1.0 must be above 1"),
        (
            {"learn_sigma": True, "min_sigma": 1.0},
            "decoder.min_sigma = 1.0 must be between 0 and 0.3",
        ),
    ],
)
def test_options_that_are_not_possible(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TabularDecoder(D, F, **options)  # type: ignore[arg-type]


def test_a_bernoulli_takes_shares_alone() -> None:
    p = decoder("bernoulli")
    with pytest.raises(UsageError, match="values from 0 to 1, and x has -0.5"):
        p.likelihood(torch.tensor([[0.0, 1.0, -0.5]]))
    assert bool(p.likelihood(torch.tensor([[0.0, 0.5, torch.nan]]))(torch.zeros(1, D)).isfinite())
