"""The prior "class-mixture" against torch's own mixture, and its draws against their moments."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from lebm_cooperative.priors.class_mixture import ClassMixture, simplex
from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_foils.networks.perceptron import PerceptronDecoder

C, D, N = 4, 6, 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(prior: ClassMixture) -> MixtureSameFamily:
    own = Independent(Normal(prior.means.double(), prior.std.double()), 1)
    return MixtureSameFamily(Categorical(torch.ones(C, dtype=torch.float64)), own)


def test_corners_are_as_far_from_each_other_and_of_length_one() -> None:
    v = simplex(C).double()
    products = v @ v.T
    wanted = torch.full((C, C), -1 / (C - 1), dtype=torch.float64).fill_diagonal_(1)
    assert torch.allclose(products, wanted, atol=1e-6)


def test_density_is_that_of_a_mixture_and_so_are_the_classes() -> None:
    prior = ClassMixture(D, C, scale=1.0, width=0.5)
    z = 2 * torch.randn(50, D, generator=seeded())
    p = mixture(prior)
    assert torch.allclose(prior.log_prob(z).double(), p.log_prob(z.double()), atol=1e-4)
    joint = p.component_distribution.log_prob(z.double()[:, None]) - torch.tensor(C).double().log()
    logits = prior.logits(z).double()
    assert torch.allclose(logits.softmax(-1), joint.softmax(-1), atol=1e-5)
    y = torch.arange(50) % C
    assert torch.allclose(prior.log_prob(z, y).double(), joint[torch.arange(50), y], atol=1e-4)


def test_draws_have_the_moments_of_their_class() -> None:
    prior = ClassMixture(D, C, scale=2.0, width=0.25)
    z = prior.sample(N, y=2, generator=seeded())
    error = prior.std / N**0.5
    assert bool(((z.mean(0) - prior.means[2]).abs() < 5 * error).all())
    assert bool(((z.std(0) - prior.std).abs() < 5 * error).all())  # of a std: less than of a mean
    assert bool((prior.logits(z).argmax(1) == 2).all())
    share = prior.logits(prior.sample(N, generator=seeded(1))).argmax(1).bincount() / N
    assert bool(((share - 1 / C).abs() < 5 * (0.25 * 0.75 / N) ** 0.5).all())


def test_a_decoder_is_given_the_class_that_is_asked_for_without_a_chain() -> None:
    prior = ClassMixture(D, C)
    model = LatentEBM(prior, PerceptronDecoder(D, [3], [8])).eval()
    drawn = model.sample(6, y=[0, 1, 2, 3, 0, 1], noise=False, generator=seeded(2))
    z = prior.sample(6, y=torch.tensor([0, 1, 2, 3, 0, 1]), generator=seeded(2))
    assert torch.equal(drawn, model.decode_mode(z))


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 2 of them, not 1"):
        ClassMixture(3, 1)
    with pytest.raises(UsageError, match=r"prior.latent_dim = 2 is too small .* at least 3"):
        ClassMixture(2, 4)
