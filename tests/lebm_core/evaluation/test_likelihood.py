"""The metric likelihood against log p(x) of a linear-Gaussian model, in closed form."""

import math
import types

import pytest
import torch
from torch import nn
from torch.distributions import Independent, MultivariateNormal, Normal

from lebm_core import Batch, Decoder, EBMPrior, Encoder, GaussianPrior, LatentEBM
from lebm_core.evaluation.likelihood import likelihood

D, FEATURES, SIGMA, N = 2, 3, 0.5, 400


class Linear(Decoder):
    def __init__(self, weight):
        super().__init__()
        self.latent_dim, self.weight = D, nn.Parameter(weight)

    def forward(self, z):
        return Independent(Normal(z @ self.weight.T, SIGMA, validate_args=False), 1)


class Exact(Encoder):
    """The posterior's mean, and its spread in each direction a little wider."""

    def __init__(self, weight, sign=1.0):
        super().__init__()
        self.latent_dim = D
        precision = torch.eye(D) + weight.T @ weight / SIGMA**2
        self.gain = nn.Parameter(sign * precision.inverse() @ weight.T / SIGMA**2)
        self.std = 1.2 * precision.inverse().diagonal().sqrt()

    def forward(self, x):
        return Independent(Normal(x @ self.gain.T, self.std, validate_args=False), 1)


class Points:
    def __init__(self, x):
        self.x = x

    def length(self, split):
        return len(self.x)

    def batch(self, split, index):
        return Batch(self.x[index])


def measured(model, x, **options):
    told = types.SimpleNamespace(
        model=model, dataset=Points(x), split="test", seed=0,
        generator=torch.Generator().manual_seed(1),
    )  # fmt: skip
    return likelihood(**options)(told)["nll"]


@pytest.fixture(scope="module")
def weight():
    return torch.randn(FEATURES, D, generator=torch.Generator().manual_seed(0))


def test_it_is_the_exact_figure_of_a_linear_gaussian_model(weight):
    covariance = weight @ weight.T + SIGMA**2 * torch.eye(FEATURES)
    p = MultivariateNormal(torch.zeros(FEATURES), covariance)
    torch.manual_seed(3)
    x = p.sample((N,))
    model = LatentEBM(GaussianPrior(D), Linear(weight), Exact(weight))
    found = measured(model, x, likelihood_draws=500, likelihood_examples=0)
    exact = -p.log_prob(x)
    # Both are means over the same examples: only the draws differ, and their log is biased by
    # -var(w) / 2n, w the weight over its mean, of variance n / ess - 1.
    n, ess = 500, found.extra["effective draws (median)"]
    spread = math.sqrt((n / ess - 1) / n)
    assert ess > 100 and found.n == N and found.better == "lower"
    assert abs(found.value - float(exact.mean())) < 5 * spread / math.sqrt(N) + spread**2
    assert abs(found.standard_error - float(exact.std()) / math.sqrt(N)) < 0.02


def test_a_proposal_without_overlap_gives_no_figure(weight):
    model = LatentEBM(GaussianPrior(D), Linear(weight), Exact(weight, sign=-1.0))
    torch.manual_seed(3)
    found = measured(model, 5 * torch.randn(50, FEATURES), likelihood_draws=20)
    assert found.value is None and "effective codes" in found.refused


def test_log_z_of_a_tilt_is_in_it(weight):
    """A tilt that is a constant changes nothing."""
    prior = EBMPrior(D, energy={"hidden": [4]})
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.zero_()
        list(prior.parameters())[-1].fill_(7.0)
    torch.manual_seed(3)
    x = torch.randn(60, FEATURES)
    tilted = measured(LatentEBM(prior, Linear(weight), Exact(weight)), x)
    plain = measured(LatentEBM(GaussianPrior(D), Linear(weight), Exact(weight)), x)
    assert abs(tilted.value - plain.value) < 0.05
