"""The dynamic generator beside a plain loop, and beside the Kalman filter where it is linear."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from lebm_cooperative.networks.dynamic import DynamicDecoder
from lebm_core import Batch, GaussianPrior, LatentEBM, Persistent, ShortRun
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.learning.mcmc import MCMC
from lebm_core.learning.symbol import Symbols
from lebm_energies.data.generated import Generated
from lebm_energies.evaluators.filling import completed

FRAMES, STATE, NOISE = 5, 2, 1


def linear(seed: int, sigma: float = 0.5) -> DynamicDecoder:
    """A linear state space of 3 numbers a frame."""
    torch.manual_seed(seed)
    decoder = DynamicDecoder(
        STATE + FRAMES * NOISE, [1, FRAMES, 3], STATE, [], [], bounded=False, sigma=sigma
    )
    with torch.no_grad():
        decoder.transition[0].weight.mul_(0.7)
    return decoder.double()


def matrices(decoder: DynamicDecoder) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """A, B, a, C, c of s' = A s + B xi + a, x = C s + c + sigma eps."""
    move, show = decoder.transition[0], decoder.frame[0]
    weight = move.weight.detach()
    a = weight[:, :STATE] + torch.eye(STATE).double()
    return a, weight[:, STATE:], move.bias.detach(), show.weight.detach(), show.bias.detach()


def smoothed(decoder: DynamicDecoder, x: Tensor) -> tuple[Tensor, float]:
    """E[s_t | x], (T, S), and log p(x) of one clip x (T, 3), by filter and smoother."""
    a, b, shift, c, still = matrices(decoder)
    r = float(decoder.sigma()) ** 2 * torch.eye(3).double()
    m, p = torch.zeros(STATE).double(), torch.eye(STATE).double()
    kept, log_p = [], 0.0
    for each in x:
        ahead, before = a @ m + shift, a @ p @ a.T + b @ b.T
        cov = c @ before @ c.T + r
        log_p += float(MultivariateNormal(c @ ahead + still, cov).log_prob(each))
        gain = before @ c.T @ torch.linalg.inv(cov)
        m, p = ahead + gain @ (each - c @ ahead - still), before - gain @ c @ before
        kept.append((ahead, before, m, p))
    means = [kept[-1][2]]
    for t in reversed(range(len(kept) - 1)):
        back = kept[t][3] @ a.T @ torch.linalg.inv(kept[t + 1][1])
        means.insert(0, kept[t][2] + back @ (means[0] - kept[t + 1][0]))
    return torch.stack(means), log_p


def marginal(decoder: DynamicDecoder) -> MultivariateNormal:
    """p(x) of a linear decoder, differentiable in its weights."""
    d = decoder.latent_dim
    origin = decoder(torch.zeros(1, d).double()).mean.flatten()
    columns = decoder(torch.eye(d).double()).mean.flatten(1) - origin
    eye = torch.eye(len(origin)).double()
    return MultivariateNormal(origin, columns.T @ columns + decoder.sigma() ** 2 * eye)


def test_the_likelihood_is_that_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    decoder = DynamicDecoder(4 + 3 * 2, [2, 3, 5, 4], 4, [6], [7], sigma=0.3)
    z, x = torch.randn(8, 10), torch.randn(8, 2, 3, 5, 4)
    s, log_p = z[:, :4], torch.zeros(8)
    for t in range(3):
        xi = z[:, 4 + 2 * t : 6 + 2 * t]
        s = torch.tanh(s + decoder.transition(torch.cat([s, xi], 1)))
        mean = decoder.frame(s).view(8, 2, 5, 4)
        each = -0.5 * ((x[:, :, t] - mean) / 0.3) ** 2 - math.log(0.3 * math.sqrt(2 * math.pi))
        log_p = log_p + each.flatten(1).sum(1)
    assert torch.allclose(decoder.likelihood(x)(z), log_p, rtol=1e-5)


def test_a_linear_generator_is_a_linear_state_space() -> None:
    decoder = linear(0)
    x = decoder(torch.randn(4, decoder.latent_dim).double()).sample()
    exact = marginal(decoder).log_prob(x.flatten(1))
    for clip, log_p in zip(x, exact.tolist(), strict=True):
        assert smoothed(decoder, clip[0])[1] == pytest.approx(log_p, abs=1e-8)


def test_posterior_chains_have_the_mean_of_the_kalman_smoother() -> None:
    decoder, n = linear(1).float(), 2000
    model = LatentEBM(GaussianPrior(decoder.latent_dim), decoder)
    generator = torch.Generator().manual_seed(0)
    x = decoder(torch.randn(1, decoder.latent_dim, generator=generator)).sample(generator=generator)
    chain = ShortRun({"steps": 100, "step_size": 0.25})
    z = model.posterior(x.expand(n, -1, -1, -1), inference=chain, generator=generator)
    s = decoder.moved(z[:, :STATE], z[:, STATE:].view(n, FRAMES, NOISE)).detach()
    expected, _ = smoothed(decoder.double(), x[0, 0].double())
    error = s.std(0) / n**0.5
    assert float(((s.mean(0) - expected) / error).abs().max()) < 4.5


def test_kept_chains_learn_a_linear_generator_near_maximum_likelihood() -> None:
    true = linear(2)
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(400, true.latent_dim, generator=generator).double()
    x = true(z).sample(generator=generator)
    best = _by_gradient(linear(3, 0.8), x)
    learned = _by_kept_chains(linear(3, 0.8), x.float(), generator)
    start = linear(3, 0.8)
    exact, reached, began = (
        float(marginal(m.double()).log_prob(x.flatten(1)).mean().detach())
        for m in (best, learned, start)
    )
    # Chains of a step of .2 and 200 updates cost .1 nat; the start is several nats away.
    assert exact - began > 2
    assert exact - reached < 0.15
    assert float(learned.sigma().detach()) == pytest.approx(float(best.sigma().detach()), rel=0.05)


def _by_gradient(decoder: DynamicDecoder, x: Tensor) -> DynamicDecoder:
    decoder.log_sigma.requires_grad_(True)
    optimizer = torch.optim.LBFGS(decoder.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = -marginal(decoder).log_prob(x.flatten(1)).mean()
        value.backward()
        return value

    optimizer.step(loss)
    return decoder


def _by_kept_chains(
    decoder: DynamicDecoder, x: Tensor, generator: torch.Generator
) -> DynamicDecoder:
    decoder.float().log_sigma.requires_grad_(True)
    inference = Persistent({"steps": 5, "step_size": 0.2})
    model = LatentEBM(GaussianPrior(decoder.latent_dim), decoder, inference=inference).train()
    rule, updates = MCMC(), 200
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)
    batch = Batch(x, rows=torch.arange(len(x)))
    for _ in range(updates):
        codes = rule(model, batch, Symbols(), 0.0, generator)
        optimizer.zero_grad()
        sum(codes.losses.values()).backward()
        optimizer.step()
        schedule.step()
    return decoder


def test_a_longer_clip_begins_as_the_short_one() -> None:
    torch.manual_seed(0)
    decoder = DynamicDecoder(6 + 4 * 2, [1, 4, 3, 3], 6, [8], [8])
    p = decoder(torch.randn(5, 14))
    longer = p.sample(generator=torch.Generator().manual_seed(0), noise=False, frames=11)
    assert longer.shape == (5, 1, 11, 3, 3)
    assert torch.allclose(longer[:, :, :4], p.mean)
    assert not torch.allclose(longer[:, :, 4], p.mean[:, :, 3])
    assert p.sample(frames=2).shape == (5, 1, 2, 3, 3)
    model = LatentEBM(GaussianPrior(14), decoder)
    assert model.sample(3, frames=6).shape == (3, 1, 6, 3, 3)


def test_clips_of_a_long_linear_generator_have_its_covariance() -> None:
    """What is carried on is moved by standard normal noise: x_T of either is alike."""
    torch.manual_seed(0)
    decoder, n = linear(4).float(), 20_000
    shorter = DynamicDecoder(STATE + NOISE, [1, 1, 3], STATE, [], [], bounded=False, sigma=0.5)
    shorter.load_state_dict(decoder.state_dict())
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(n, shorter.latent_dim, generator=generator)
    x = shorter(z).sample(generator=generator, frames=FRAMES).flatten(1)
    expected = marginal(decoder.double()).covariance_matrix.detach().float()
    spread = ((expected.diagonal()[:, None] * expected.diagonal() + expected**2) / n).sqrt()
    assert float(((torch.cov(x.T) - expected).abs() / spread).max()) < 4.5


def test_sizes_that_do_not_fit_name_one_that_does() -> None:
    with pytest.raises(UsageError, match="prior.latent_dim = 15.* use 14"):
        DynamicDecoder(15, [1, 4, 3, 3], 6)
    with pytest.raises(UsageError, match="has no frames"):
        DynamicDecoder(8, [4], 4)


def test_unknown_frames_are_filled_in_with_their_conditional_mean(tmp_path: Path) -> None:
    decoder, n = linear(1).float(), 600
    inference = ShortRun({"steps": 5, "step_size": 0.25})
    model = LatentEBM(GaussianPrior(decoder.latent_dim), decoder, inference=inference).eval()
    generator = torch.Generator().manual_seed(0)
    x = decoder(torch.randn(1, decoder.latent_dim, generator=generator)).sample(generator=generator)
    mask = torch.ones_like(x, dtype=torch.bool)
    mask[:, :, 1:3] = False
    evaluation = Evaluation(
        model, Generated({}, {}, (), {}, {}), "test", generator, 0, tmp_path, tmp_path, None, print
    )
    shape = (n, 1, FRAMES, 3)
    filled = completed(evaluation, x.expand(shape), mask.expand(shape), 100)
    assert torch.equal(filled[:, :, [0, 3, 4]], x.expand(shape)[:, :, [0, 3, 4]])
    exact, known = marginal(decoder.double()), mask.flatten()
    cov, mean, given = exact.covariance_matrix.detach(), exact.loc.detach(), x.flatten().double()
    gain = cov[~known][:, known] @ torch.linalg.inv(cov[known][:, known])
    expected = mean[~known] + gain @ (given - mean)[known]
    found = filled.flatten(1)[:, ~known].double()
    assert float(((found.mean(0) - expected) / (found.std(0) / n**0.5)).abs().max()) < 4.5
