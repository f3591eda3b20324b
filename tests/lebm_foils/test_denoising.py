"""Denoising: its chain and walkback in closed form, and a linear autoencoder as PCA."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from torch import Tensor

from lebm_core import Batch, GaussianPrior
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.likelihood import likelihood
from lebm_foils.learning.walkback import Walkback
from lebm_foils.models.denoising import DenoisingAutoencoder
from lebm_foils.networks.perceptron import PerceptronDecoder, PerceptronEncoder
from lebm_tabular.data.synthetic import EightGaussians


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def autoencoder(
    d: int,
    latent_dim: int,
    hidden: list[int],
    sigma: float = 0.3,
    learn_sigma: bool = True,
    **more: Any,
) -> Any:
    torch.manual_seed(0)
    decoder = PerceptronDecoder(latent_dim, [d], hidden, sigma, learn_sigma)
    encoder = PerceptronEncoder(latent_dim, [d], hidden)
    return DenoisingAutoencoder(GaussianPrior(latent_dim), decoder, encoder, **more)


def learned(model: Any, x: Tensor, steps: int, walkback: int = 0, lr: float = 1e-2) -> None:
    adam = torch.optim.Adam(model.parameters(), lr)
    rule, generator = Walkback(walkback), seeded(1)
    for step in range(steps):
        adam.param_groups[0]["lr"] = lr * (1 - step / steps)
        rows = torch.randint(len(x), (min(500, len(x)),), generator=generator)
        losses, _ = rule(model, Batch(x[rows]), progress=step / steps, generator=generator)
        adam.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        adam.step()
    model.eval()


@pytest.mark.parametrize("a", [0.5, 0.8])
def test_a_linear_chain_settles_at_its_variance(a: float) -> None:
    """x <- a (x + noise eps) + sigma eps' has the variance (a^2 noise^2 + sigma^2) / (1 - a^2)."""
    noise, sigma, n = 0.7, 0.4, 20_000
    model = linear(a, noise, sigma, chain_steps=60, start_std=3.0)
    x = model.sample(n, generator=seeded(), batch_size=n)
    expected = (a**2 * noise**2 + sigma**2) / (1 - a**2)
    assert abs(float(x.var()) - expected) < 5 * expected * (2 / n) ** 0.5
    assert abs(float(x.mean())) < 5 * (expected / n) ** 0.5
    last = model.sample(n, generator=seeded(), batch_size=n, noise=False)
    expected -= sigma**2  # the mean of the last draw
    assert abs(float(last.var()) - expected) < 5 * expected * (2 / n) ** 0.5


def test_it_learns_the_posterior_and_the_chain_settles_at_the_data() -> None:
    """Of N(0, s^2): a = s^2 / (s^2 + noise^2), sigma^2 = s^2 noise^2 / (s^2 + noise^2)."""
    s, noise, n = 1.3, 0.8, 20_000
    model = autoencoder(1, 1, [], 0.6, noise=noise, chain_steps=40, start_std=4.0)
    learned(model, s * torch.randn(20_000, 1, generator=seeded()), 600)
    with torch.no_grad():
        at_zero, at_one = model.denoised(torch.tensor([[0.0], [1.0]])).mean
    slope = float(at_one - at_zero)
    a = s**2 / (s**2 + noise**2)
    assert slope == pytest.approx(a, abs=0.02)
    sigma = float(model.decoder.log_sigma.detach().exp())
    assert sigma**2 == pytest.approx(a * noise**2, rel=0.04)  # batches of 500: 2 errors of one
    x = model.sample(n, generator=seeded(), batch_size=n)
    # The error of a, .02, moves the variance by 2 a .02 / (1 - a^2) of itself.
    assert float(x.var()) == pytest.approx(s**2, rel=0.1)


def test_salt_and_pepper_sets_its_share_and_gaussian_adds_its_noise() -> None:
    x, n = torch.zeros(100, 100), 10_000
    pepper = autoencoder(100, 2, [], corruption="salt-and-pepper", noise=0.3)
    found = pepper.corrupt(x, seeded())
    for value in (-1, 1):
        share = float((found == value).float().mean())
        assert abs(share - 0.15) < 5 * (0.15 * 0.85 / n) ** 0.5
    assert set(found.unique().tolist()) == {-1, 0, 1}
    gaussian = autoencoder(100, 2, [], noise=0.3)
    assert abs(float(gaussian.corrupt(x, seeded()).var()) - 0.09) < 5 * 0.09 * (2 / n) ** 0.5


def linear(a: float, noise: float, sigma: float, **more: Any) -> Any:
    """p(x | corrupted x) = N(a x, sigma^2), of one number."""
    model = autoencoder(1, 1, [], sigma, False, noise=noise, **more).eval()
    with torch.no_grad():
        for p in (*model.encoder.parameters(), *model.decoder.parameters()):
            p.zero_()
        model.encoder.net[0].weight[0, 0] = 2 * a
        model.decoder.net[0].weight[0, 0] = 0.5
        model.decoder.log_sigma.fill_(math.log(sigma))
    return model


@pytest.mark.parametrize("walkback", [0, 3])
def test_walkback_is_the_mean_over_the_models_own_chain(walkback: int) -> None:
    """x_k = c_k x + N(0, v_k), c_0 = 1, v_0 = noise^2, c <- a c, v <- a^2 v + sigma^2 + noise^2."""
    a, noise, sigma, s, n = 0.6, 0.7, 0.4, 1.3, 200_000
    x = s * torch.randn(n, 1, generator=seeded())
    rule, model = Walkback(walkback), linear(a, noise, sigma)
    losses, metrics = rule(model, Batch(x), generator=seeded(3))
    c, v, terms = 1.0, noise**2, []
    for _ in range(walkback + 1):
        error = (1 - a * c) ** 2 * s**2 + a**2 * v
        terms.append(0.5 * math.log(2 * math.pi * sigma**2) + error / (2 * sigma**2))
        c, v = a * c, a**2 * v + sigma**2 + noise**2
    # Squared errors have the standard deviation 2^.5 of their mean.
    most = 5 * max(terms) * (2 / n) ** 0.5 + 0.01
    assert float(losses["decoder"].detach()) == pytest.approx(sum(terms) / len(terms), abs=most)
    assert float(metrics["walkback"]) == pytest.approx(terms[-1], abs=most)


def test_a_linear_autoencoder_is_principal_components() -> None:
    """Its error on digits is that of PCA within 1 %, and its subspace is the same."""
    x = torch.from_numpy(load_digits().data).float() / 8 - 1
    model = autoencoder(64, 8, [], sigma=1.0, learn_sigma=False, noise=0.0)
    with torch.no_grad():
        mean = x.mean(0)
        model.decoder.net[0].bias.copy_(mean)
    learned(model, x, 1000, lr=1e-2)
    with torch.no_grad():
        error = float((model.reconstruct(x) - x).square().mean())
    pca = PCA(8).fit(x.numpy())
    least = float(((pca.inverse_transform(pca.transform(x.numpy())) - x.numpy()) ** 2).mean())
    assert least * (1 - 1e-5) <= error < 1.01 * least
    basis = torch.linalg.qr(model.decoder.net[0].weight.detach())[0]
    cosines = torch.linalg.svdvals(torch.from_numpy(pca.components_).float() @ basis)
    assert float(cosines.min()) > 0.98


def test_a_limit_holds_a_chain_that_would_run_away() -> None:
    """A slope of 1.5 multiplies x at each step; within a limit it stays at it."""
    free, held = (linear(1.5, 0.1, 0.1, chain_steps=50, limit=limit) for limit in (0.0, 2.0))
    assert float(free.sample(50, generator=seeded()).abs().median()) > 1e6
    assert float(held.sample(50, generator=seeded()).abs().max()) == 2


def test_completion_holds_what_is_known() -> None:
    model = autoencoder(3, 2, [8]).eval()
    x = torch.randn(5, 3, generator=seeded())
    mask = torch.tensor([True, False, True]).expand(5, 3)
    filled = model.complete(x, mask, generator=seeded())
    assert torch.equal(filled[mask], x[mask])
    assert bool((filled[~mask] != x[~mask]).all())


def test_what_it_has_not_is_refused(tmp_path: Path) -> None:
    model = autoencoder(3, 2, [8]).eval()
    x = torch.zeros(2, 3)
    for method in (model.log_prob, model.score):
        with pytest.raises(UnsupportedEstimate, match="no density"):
            method(x)
    data = EightGaussians({"train": 2, "test": 2}, 0)
    plane = autoencoder(2, 2, [8]).eval()
    evaluation = Evaluation(plane, data, "test", seeded(), 0, tmp_path, tmp_path, None, print)
    nll = likelihood(likelihood_draws=2)(evaluation)["nll"]
    assert nll.value is None
    assert "no density" in str(nll.refused)
    with pytest.raises(UsageError, match="coupled"):
        model.sample(2, y=1)
    with pytest.raises(UsageError, match=r"model\.noise"):
        autoencoder(3, 2, [8], corruption="salt-and-pepper", noise=1.5)
    with pytest.raises(UsageError, match=r"model\.limit"):
        autoencoder(3, 2, [8], limit=-1.0)
    with pytest.raises(UsageError, match=r"encoder\.name"):
        DenoisingAutoencoder(GaussianPrior(2), PerceptronDecoder(2, [3]))
