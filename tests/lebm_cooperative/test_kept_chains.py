"""Alternating back-propagation: chains are tied to examples, and reach maximum likelihood."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from lebm_core import Batch, Decoder, GaussianPrior, LatentEBM, Persistent, ShortRun
from lebm_core.learning.mcmc import MCMC
from lebm_core.learning.symbol import Symbols
from lebm_core.registry.parts import Part, make

FEATURES, D, N = 6, 2, 1000


def linear(seed: int = 0) -> Decoder:
    """Factor analysis with one noise for all features (probabilistic PCA)."""
    torch.manual_seed(seed)
    table = {"name": "perceptron", "hidden": [], "learn_sigma": True, "sigma": 1.0}
    decoder: Decoder = make(Part("decoders"), table, {"latent_dim": D, "shape": [FEATURES]})
    return decoder


def likelihood(decoder: Decoder, x: Tensor) -> float:
    """Mean log p(x) of a linear decoder."""
    layer, sigma = decoder.net[0], decoder.log_sigma.exp()  # type: ignore[index, union-attr, operator]
    cov = layer.weight @ layer.weight.T + sigma**2 * torch.eye(FEATURES)
    return float(MultivariateNormal(layer.bias, cov).log_prob(x).mean().detach())


def best_likelihood(x: Tensor) -> float:
    """That of maximum likelihood in closed form (Tipping and Bishop 1999)."""
    mean, cov = x.mean(0), torch.cov(x.T, correction=0)
    values, axes = torch.linalg.eigh(cov)
    noise = values[:-D].mean()
    w = axes[:, -D:] * (values[-D:] - noise).sqrt()
    return float(MultivariateNormal(mean, w @ w.T + noise * torch.eye(FEATURES)).log_prob(x).mean())


def learned(inference: Persistent | ShortRun, x: Tensor) -> float:
    """The likelihood that 60 epochs of shuffled batches reach."""
    model = LatentEBM(GaussianPrior(D), linear(), inference=inference).train()
    generator, rule, epochs = torch.Generator().manual_seed(0), MCMC(), 60
    optimizer = torch.optim.Adam(model.decoder.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(250):
            batch = Batch(x[rows], rows=rows)
            codes = rule(model, batch, Symbols(), 0.0, generator)
            optimizer.zero_grad()
            sum(codes.losses.values()).backward()  # type: ignore[union-attr]
            optimizer.step()
        schedule.step()
    return likelihood(model.decoder, x)


def test_kept_chains_reach_maximum_likelihood_where_short_runs_do_not() -> None:
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(FEATURES, D, generator=generator)
    x = torch.randn(N, D, generator=generator) @ w.T
    x = x + 0.5 * torch.randn(N, FEATURES, generator=generator)
    best, table = best_likelihood(x), {"steps": 5, "step_size": 0.2}
    kept, short = learned(Persistent(table), x), learned(ShortRun(table), x)
    # Steps matter to kept chains: with .1 in the place of .2 they end half a nat below.
    assert best - kept < 0.05
    assert best - short > 0.5


def test_a_chain_stays_with_its_example_however_batches_are_shuffled() -> None:
    decoder = linear()
    model = LatentEBM(GaussianPrior(D), decoder, inference=Persistent({"steps": 1})).train()
    inference = Persistent({"steps": 1, "step_size": 1e-6})
    x = torch.randn(12, FEATURES)
    generator = torch.Generator().manual_seed(0)
    first: dict[int, Tensor] = {}
    for epoch in range(3):
        for rows in torch.randperm(12, generator=generator).split(5):
            z = inference(model, Batch(x[rows], rows=rows), generator=generator)
            for row, each in zip(rows.tolist(), z, strict=True):
                if epoch == 0:
                    first[row] = each
                else:
                    assert torch.allclose(each, first[row], atol=1e-4)
    assert torch.cdist(*[torch.stack(list(first.values()))] * 2).fill_diagonal_(9).min() > 1e-2
