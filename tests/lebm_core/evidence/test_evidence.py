"""log Z and log p(x) against quadrature and closed forms; the refusal of what is not supported."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from toys import Exact, Linear

from lebm_core import EBMPrior, GaussianPrior, LatentEBM, ShortRun, log_z
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evidence.estimate import from_log_weights
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.learning.two_part import TwoPart


def tilted(seed: int = 0, scale: float = 0.6) -> EBMPrior:
    torch.manual_seed(seed)
    prior = EBMPrior(2, energy={"hidden": (32, 32)}, bound=4.0)
    for p in prior.parameters():
        nn.init.normal_(p, std=scale)
    return prior


@pytest.mark.parametrize("method", ["importance", "ais"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_log_z_agrees_with_quadrature(method: str, seed: int) -> None:
    prior = tilted(seed)
    truth = float(log_z(prior, method="quadrature"))
    assert abs(truth) > 0.05  # there is something to estimate
    generator = torch.Generator().manual_seed(seed)
    found = log_z(prior, method=method, n_samples=2_000, step_size=0.3, generator=generator)
    assert abs(float(found) - truth) < 4.5 * float(found.standard_error)
    assert float(found.standard_error) < 0.1


def test_log_z_of_a_uniform_reference() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(2, energy={"hidden": (16,)}, reference="uniform", reference_std=2.0)
    truth = float(log_z(prior, method="quadrature"))
    found = log_z(prior, n_samples=20_000, generator=torch.Generator().manual_seed(0))
    assert abs(float(found) - truth) < 4.5 * float(found.standard_error) + 1e-4


def test_a_normalised_prior_has_log_z_zero() -> None:
    assert float(log_z(GaussianPrior(5))) == 0.0


def test_quadrature_beyond_two_dimensions_is_refused() -> None:
    with pytest.raises(UsageError, match="1 or 2 dimensions, not 3"):
        log_z(EBMPrior(3), method="quadrature")
    with pytest.raises(UsageError, match='Did you mean "importance"'):
        log_z(EBMPrior(3), method="importence")


@pytest.mark.parametrize(
    ("method", "amortised"),
    [
        ("importance", True),
        ("ais", True),
        ("importance", False),
        pytest.param("ais", False, marks=pytest.mark.slow),
    ],
)
def test_log_p_of_a_linear_gaussian_model(method: str, amortised: bool) -> None:
    torch.manual_seed(0)
    decoder = Linear(torch.randn(5, 3), 0.5)
    encoder = Exact(decoder, 1.3) if amortised else None
    inference = None if amortised else ShortRun(sampler={"steps": 50, "step_size": 0.2})
    model = LatentEBM(GaussianPrior(3), decoder, encoder, inference)
    x = decoder.marginal().sample((8,))
    found = model.log_prob(
        x, method=method, n_samples=400, generator=torch.Generator().manual_seed(1)
    )
    error = (found.value - decoder.marginal().log_prob(x)).abs() / found.standard_error
    assert float(error.max()) < 4.5
    assert float(found.standard_error.max()) < 0.5


def test_log_p_under_a_tilt_agrees_with_quadrature() -> None:
    prior = tilted(3)
    decoder = Linear(torch.tensor([[1.0, 0.3], [-0.2, 0.8], [0.5, 0.5]]), 0.6)
    model = LatentEBM(prior, decoder, Exact(decoder, 1.5))
    x = torch.randn(6, 3)
    norm = log_z(prior, method="quadrature")
    line = torch.linspace(-7, 7, 401)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        inner = prior.log_prob(grid) - float(norm)
        each = torch.stack([decoder(grid).log_prob(row.expand(len(grid), -1)) for row in x])
    truth = (each + inner).double().logsumexp(1) + 2 * math.log(14 / 400)
    found = model.log_prob(
        x, n_samples=2_000, log_z=norm, generator=torch.Generator().manual_seed(0)
    )
    assert float(((found.value - truth).abs() / found.standard_error).max()) < 4.5


def test_a_runaway_tilt_is_refused_with_the_reason() -> None:
    torch.manual_seed(0)
    prior = EBMPrior(8, bound=None)
    for p in prior.parameters():
        nn.init.normal_(p, std=1.5)
    with pytest.raises(UnsupportedEstimate, match=r"log Z is .* by AIS .*(effective|disagree)"):
        checked_log_z(prior, n_samples=2_000, generator=torch.Generator().manual_seed(0))


def test_standard_error_of_log_weights_is_that_of_repetitions() -> None:
    """The delta method against the spread over 400 repetitions of the same estimate."""
    generator = torch.Generator().manual_seed(0)
    weights = 0.5 * torch.randn(300, 400, generator=generator)
    found = from_log_weights(weights, "importance")
    observed = float(found.value.std())
    # a standard deviation from 400 values is itself known to 1/sqrt(800) = 3.5 %
    assert abs(float(found.standard_error.mean()) / observed - 1) < 4.5 * 0.035


def test_the_published_estimator_is_off_and_ours_is_right_on_the_same_toy() -> None:
    """x = z + 0.3 eps in 32 dimensions, the exact posterior as proposal, 100 draws.

    The published estimator uses q(z|x) draws for numerator and Z alike; the prior's mass is then
    never estimated, and log p(x) is over-stated by 32 nats. Ours is exact here.
    """
    from lebm_text.metrics.importance import self_normalised

    torch.manual_seed(0)
    d = 32
    decoder, n = Linear(torch.eye(d), 0.3), 200
    model = LatentEBM(GaussianPrior(d), decoder, Exact(decoder))
    x = decoder.marginal().sample((n,))
    truth = decoder.marginal().log_prob(x)
    ours = model.log_prob(x, n_samples=100, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ours.value.float(), truth, atol=1e-3)
    q = model.need_encoder("this test")(x)
    z = q.sample((100,))
    likelihood = torch.stack([decoder(each).log_prob(x) for each in z])
    weights = model.prior.log_prob(z.flatten(0, 1)).view(100, n) - q.log_prob(z)
    excess = (self_normalised(likelihood, weights).float() - truth).detach()
    tolerance = 0.5 + 4.5 * float(excess.std()) / n**0.5  # "32" is rounded to whole nats
    assert abs(float(excess.mean()) - 32) < tolerance


def test_the_model_without_z_is_exact() -> None:
    from lebm_core import SequenceDecoder

    torch.manual_seed(0)
    decoder = SequenceDecoder(0, 20, embed_dim=8, hidden=8).eval()
    model = LatentEBM(GaussianPrior(0), decoder, None, ShortRun(sampler={"steps": 0}))
    x = torch.tensor([[5, 6, 2, 0], [7, 8, 9, 2]])
    found = model.log_prob(x)
    with torch.no_grad():
        expected = decoder(torch.zeros(2, 0)).log_prob(x)
    assert found.method == "exact"
    assert torch.allclose(found.value.float(), expected, atol=1e-5)
    outcome = TwoPart()(model.train(), _batch(x))
    assert set(outcome.losses) == {"decoder"}


def _batch(x: Tensor):  # noqa: ANN202
    from lebm_core import Batch

    return Batch(x)


@pytest.mark.parametrize("method", ["importance", "ais"])
def test_log_p_under_a_uniform_reference_counts_its_box_alone(method: str) -> None:
    decoder = Linear(torch.eye(1), 0.3)
    prior = EBMPrior(1, energy={"hidden": ()}, bound=None, reference="uniform")
    torch.nn.init.zeros_(prior.tilts[0].layers[0].weight)
    torch.nn.init.zeros_(prior.tilts[0].layers[0].bias)
    model = LatentEBM(prior, decoder, Exact(decoder, 1.5))
    x = torch.tensor([[1.0], [1.5], [0.0]])
    normal = torch.distributions.Normal(0.0, 0.3)
    truth = (0.5 * (normal.cdf(1 - x) - normal.cdf(-1 - x))).log().squeeze(1)
    found = model.log_prob(
        x, method=method, n_samples=1000, generator=torch.Generator().manual_seed(0)
    )
    assert bool(((found.value.float() - truth).abs() < 4.5 * found.standard_error + 1e-3).all())


def test_log_p_without_an_encoder_holds_in_more_dimensions_than_chains() -> None:
    torch.manual_seed(0)
    d = 80  # the proposal's moments come from 64 chains
    decoder = Linear(torch.eye(d), 0.3)
    model = LatentEBM(
        GaussianPrior(d), decoder, None, ShortRun(sampler={"steps": 40, "step_size": 0.2})
    )
    x = decoder.marginal().sample((3,))
    found = model.log_prob(x, n_samples=4000, generator=torch.Generator().manual_seed(0))
    error = (found.value.float() - decoder.marginal().log_prob(x)).detach().abs()
    assert float(error.max()) < 1.5  # a singular covariance of these chains is off by 90
    assert float(found.ess.min()) > 2


def test_no_figure_rests_on_nan_or_on_one_draw() -> None:
    prior = EBMPrior(2, energy={"hidden": (4,)})
    torch.nn.init.constant_(prior.tilts[0].layers[0].bias, torch.nan)
    with pytest.raises(UnsupportedEstimate):
        checked_log_z(prior, n_samples=1000, temperatures=2)
    assert float(from_log_weights(torch.zeros(1), "importance").standard_error) == math.inf
