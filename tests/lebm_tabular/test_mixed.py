"""Numbers and categories in one row: p(x | z) is a Gaussian and a softmax over each group."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from lebm_core import CoupledPrior, GaussianPrior, LatentEBM, contracts
from lebm_core.data.dataset import Batch
from lebm_core.errors import UsageError
from lebm_core.learning.consistency import vat_loss
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D, GROUPS, NUMBERS = 2, (2, 3), 2
FEATURES = NUMBERS + sum(GROUPS)


def decoder(**options: Any) -> TabularDecoder:
    torch.manual_seed(0)
    return TabularDecoder(D, FEATURES, (8,), 0.5, groups=GROUPS, **options)


def rows(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    ids = [torch.randint(k, (n,), generator=generator) for k in GROUPS]
    groups = [torch.eye(k)[i] for k, i in zip(GROUPS, ids, strict=True)]
    return torch.cat([torch.randn(n, NUMBERS, generator=generator), *groups], 1)


def parts(p: TabularDecoder, z: Tensor) -> tuple[np.ndarray, list[np.ndarray]]:
    """Centres of the numbers, and log p of each category by a softmax in numpy."""
    out = p.net(z).detach().double().numpy()
    groups = np.split(out[:, NUMBERS:], np.cumsum(GROUPS)[:-1], axis=1)
    return out[:, :NUMBERS], [g - np.log(np.exp(g).sum(1, keepdims=True)) for g in groups]


@pytest.mark.parametrize("learn_sigma", [False, True])
def test_the_density_is_gaussian_and_softmax(learn_sigma: bool) -> None:
    p, x = decoder(learn_sigma=learn_sigma), rows(20)
    if p.log_sigma is not None:
        assert p.log_sigma.shape == (NUMBERS,)
        p.log_sigma.data = torch.tensor([-2.0, 0.5])
    z = torch.randn(20, D)
    centre, log_p = parts(p, z)
    sigma = np.asarray(p.sigma.detach() if isinstance(p.sigma, Tensor) else p.sigma)
    expected = stats.norm.logpdf(x[:, :NUMBERS], centre, sigma).sum(1)
    first = NUMBERS
    for k, each in zip(GROUPS, log_p, strict=True):
        ids = x[:, first : first + k].argmax(1).numpy()
        expected += each[np.arange(20), ids]
        first += k
    np.testing.assert_allclose(p.likelihood(x)(z).detach(), expected, rtol=1e-4)
    np.testing.assert_allclose(p(z).log_prob(x).detach(), expected, rtol=1e-4)
    many = p.likelihood(x)(z.repeat_interleave(3, 0)).detach().view(20, 3)
    np.testing.assert_allclose(many, np.repeat(expected[:, None], 3, 1), rtol=1e-4)


def test_the_categories_sum_to_one() -> None:
    """Over all six pairs of categories the densities sum to that of the numbers alone."""
    p, z = decoder(), torch.randn(7, D)
    x = rows(7)
    total = torch.zeros(7, dtype=torch.float64)
    for ids in itertools.product(*map(range, GROUPS)):
        groups = [torch.eye(k)[i].expand(7, k) for k, i in zip(GROUPS, ids, strict=True)]
        every = torch.cat([x[:, :NUMBERS], *groups], 1)
        total += p.likelihood(every)(z).detach().double().exp()
    alone = stats.norm.logpdf(x[:, :NUMBERS], parts(p, z)[0], 0.5).sum(1)
    np.testing.assert_allclose(total.log(), alone, rtol=1e-5, atol=1e-5)
    x[:, :NUMBERS] = torch.nan  # and without the numbers, to one
    x[:, NUMBERS:] = torch.nan
    total.zero_()
    for i in range(GROUPS[0]):
        x[:, NUMBERS : NUMBERS + GROUPS[0]] = torch.eye(GROUPS[0])[i]
        total += p.likelihood(x)(z).detach().double().exp()
    np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_a_missing_category_is_left_out_of_the_likelihood() -> None:
    p, x = decoder(), rows(20)
    z = torch.randn(20, D, requires_grad=True)
    whole = p.likelihood(x)(z)
    log_p = parts(p, z)[1]
    holes = x.clone()
    holes[:, NUMBERS + GROUPS[0] :] = torch.nan
    ids = x[:, NUMBERS + GROUPS[0] :].argmax(1).numpy()
    found = p.likelihood(holes)(z)
    expected = whole.detach().double().numpy() - log_p[1][np.arange(20), ids]
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.sum(), z)
    assert bool(gradient.isfinite().all())
    # Whatever the group holds, a row of nothing has log p = 0.
    assert not p.likelihood(torch.full((3, FEATURES), torch.nan))(z[:3]).any()


def test_draws_are_one_category_of_each_group_as_often_as_the_softmax_says() -> None:
    p, z = decoder(), torch.randn(1, D)
    torch.manual_seed(0)
    n = 20_000
    drawn = p(z.expand(n, D)).sample()
    groups = drawn[:, NUMBERS:].split(list(GROUPS), 1)
    for found, log_p in zip(groups, parts(p, z)[1], strict=True):
        assert set(found.unique().tolist()) == {0.0, 1.0} and bool((found.sum(1) == 1).all())
        np.testing.assert_allclose(found.mean(0), np.exp(log_p[0]), atol=4 * 0.5 / math.sqrt(n))
    means = p(z).mean[0].detach().numpy()
    np.testing.assert_allclose(means[NUMBERS:], np.exp(np.concatenate(parts(p, z)[1], 1)[0]), 1e-5)
    np.testing.assert_allclose(drawn[:, :NUMBERS].mean(0), means[:NUMBERS], atol=0.02)


@pytest.mark.parametrize("kind", ["gaussian", "student", "bernoulli"])
@pytest.mark.parametrize("groups", [[2, 3], [7], [1, 1]])
def test_what_every_decoder_and_encoder_promises(kind: str, groups: list[int]) -> None:
    """A table of categories alone (7 features of 7), and constant columns, are among them."""
    sizes = {"features": 7, "groups": groups}
    contracts.check_decoder("tabular", sizes, {"likelihood": kind, "hidden": [8]})
    torch.manual_seed(0)
    x = TabularDecoder(2, 7, (8,), groups=groups)(torch.randn(5, 2)).sample()
    contracts.check_encoder("tabular", x, sizes, {"hidden": [8]})


def test_the_missing_column_is_told_by_the_others() -> None:
    """Of z = 0 and 1 the category is that of the number, which is known."""
    p = TabularDecoder(1, 3, (), 0.1, groups=[2])
    with torch.no_grad():
        p.net[0].weight.copy_(torch.tensor([[2.0], [8.0], [-8.0]]))
        p.net[0].bias.zero_()
    model = LatentEBM(GaussianPrior(1), p)
    x = torch.tensor([[1.5, torch.nan, torch.nan], [-1.5, torch.nan, torch.nan]])
    known = torch.ones_like(x, dtype=torch.bool)
    done = model.complete(x, known, generator=torch.Generator().manual_seed(0))
    assert done[:, 1:].argmax(1).tolist() == [0, 1] and bool((done[:, 1:].sum(1) - 1 < 1e-5).all())
    torch.testing.assert_close(done[:, 0], x[:, 0])
    # The other way round, from the category to the number.
    x = torch.tensor([[torch.nan, 1.0, 0.0], [torch.nan, 0.0, 1.0]])
    done = model.complete(x, known, generator=torch.Generator().manual_seed(0))
    assert done[0, 0] > 0.2 and done[1, 0] < -0.2
    torch.testing.assert_close(done[:, 1:], x[:, 1:])


def test_a_perturbation_counts_columns_and_not_categories() -> None:
    torch.manual_seed(0)
    wide = TabularEncoder(D, 2 + 60, (8,), missing=True, groups=[60])
    x = torch.cat([torch.randn(3, 2), torch.eye(60)[:3]], 1)
    assert wide.embedded_scale(x, x)[:, 0].tolist() == pytest.approx([math.sqrt(3)] * 3)
    x[1, 2:] = torch.nan
    x[2, 0] = torch.nan
    assert wide.embedded_scale(x, x)[:, 0].tolist() == pytest.approx(
        [math.sqrt(3), math.sqrt(2), math.sqrt(2)]
    )
    model = LatentEBM(CoupledPrior(D, 2), TabularDecoder(D, 62, (8,), groups=[60]), wide)
    loss = vat_loss(model, Batch(x), 0.3, torch.Generator().manual_seed(0))
    loss.backward()
    assert bool(loss.isfinite())


@pytest.mark.parametrize("groups", [[4, 4], [0], [2.5], "2", [-1]])
@pytest.mark.parametrize("kind", [TabularDecoder, TabularEncoder])
def test_groups_that_cannot_be(kind: Any, groups: Any) -> None:
    with pytest.raises(UsageError, match=r"coder.groups = .* (wider than the 7|is not possible)"):
        kind(2, 7, groups=groups)
