"""The prior of the two-stage VAE: what it learns from codes, and what it refuses."""

from __future__ import annotations

from functools import partialmethod

import pytest
import torch

from lebm_core import LatentEBM, SecondStagePrior, TwoPart
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

CENTRES = torch.tensor([[-2.0, 1.0], [2.0, 1.0]])
SPREAD = 0.3


def codes(n: int = 4_000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(2, (n,), generator=generator)
    return CENTRES[which] + SPREAD * torch.randn(n, 2, generator=generator)


@pytest.fixture(scope="module")
def fitted() -> SecondStagePrior:
    torch.manual_seed(0)
    prior = SecondStagePrior(2, (32, 32))
    prior.fit(codes(), steps=1500)
    return prior


def test_samples_have_the_two_clusters_of_the_codes(fitted: SecondStagePrior) -> None:
    z = fitted.sample(4_000, generator=torch.Generator().manual_seed(1))
    distance = torch.cdist(z, CENTRES)
    near = distance.amin(1) < 3 * SPREAD
    assert float(near.float().mean()) > 0.7  # a Gaussian of the same moments: 0.40
    share = float((distance[near].argmin(1) == 0).float().mean())
    assert 0.4 < share < 0.6


def test_its_density_is_refused_once_it_is_fitted(fitted: SecondStagePrior) -> None:
    assert torch.equal(SecondStagePrior(2).log_tilt(torch.zeros(3, 2)), torch.zeros(3))
    with pytest.raises(UnsupportedEstimate, match="can only be sampled"):
        fitted.log_prob(torch.zeros(3, 2))


def test_a_fit_depends_on_codes_and_seed_alone() -> None:
    torch.manual_seed(0)
    first = SecondStagePrior(2, (8,))
    state = torch.random.get_rng_state()
    first.fit(codes(500), steps=20)
    assert torch.equal(torch.random.get_rng_state(), state)  # no other draw is disturbed
    torch.manual_seed(9)
    second = SecondStagePrior(2, (8,))
    second.fit(codes(500), steps=20)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not any(p.requires_grad for p in first.parameters())


def test_training_ends_with_a_fit_to_draws_of_the_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    from lebm_tabular.data.synthetic import EightGaussians

    monkeypatch.setattr(SecondStagePrior, "fit", partialmethod(SecondStagePrior.fit, steps=20))
    data = EightGaussians({"train": 500}, 0)
    torch.manual_seed(0)
    model = LatentEBM(
        SecondStagePrior(2, (8,)), TabularDecoder(2, 2, (8,)), TabularEncoder(2, 2, (8,))
    )
    learning = TwoPart(decoder={"kl_cycles": 0})
    before = learning(model, next(iter(data.batches("train", 50))))
    assert set(before.losses) == {"decoder", "encoder"}  # until then it is the VAE's N(0, I)
    learning.finish(model, data, torch.Generator().manual_seed(0))
    assert bool(model.prior.fitted)  # type: ignore[arg-type]


def test_mistakes() -> None:
    with pytest.raises(UsageError, match="1 codes"):
        SecondStagePrior(2).fit(torch.zeros(1, 2))
    with pytest.raises(UsageError, match="no classes"):
        SecondStagePrior(2).sample(3, y=1)
