"""The learning rules against exact gradients and optima."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lebm_core import (
    Amortized,
    Batch,
    CoupledPrior,
    EBMPrior,
    GaussianPrior,
    LatentEBM,
    Learning,
    LearningOptions,
    MixturePrior,
    ShortRun,
)
from lebm_core.errors import UsageError
from lebm_core.learning.contrastive import PersistentChains, ShortRunChains
from lebm_core.learning.density_ratio import DensityRatio
from lebm_core.learning.variational import kl_schedule
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 3


def linear_tilt(slope: torch.Tensor, **options: object) -> EBMPrior:
    """f(z) = slope . z: the prior is then N(slope, I), and every expectation is known."""
    prior = EBMPrior(D, hidden=(), bound=None, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        prior.tilts[0].layers[0].weight.copy_(slope[None])
        prior.tilts[0].layers[0].bias.zero_()
    return prior


@pytest.mark.parametrize(("steps", "chain_steps"), [(80, 0), (1, 80)])
@pytest.mark.parametrize("rule", ["short-run", "persistent"])
def test_gradient_of_the_tilt_is_posterior_minus_prior_statistics(
    rule: str, steps: int, chain_steps: int
) -> None:
    """Algorithm 1: d/dw log p = E_codes z - E_prior z, and E_prior z = slope exactly."""
    slope = torch.tensor([0.7, -0.4, 0.0])
    prior = linear_tilt(slope, steps=steps, step_size=0.5)
    generator = torch.Generator().manual_seed(0)
    n = 20_000
    codes = torch.randn(n, D, generator=generator) + torch.tensor([0.0, 1.0, 2.0])
    options = LearningOptions(persistent_chains=n, restart=0.0, chain_steps=chain_steps)
    make = {"short-run": ShortRunChains, "persistent": PersistentChains}[rule]
    found = make(options)(prior, codes, None, 0.0, generator)
    found.loss.backward()
    exact = -(codes.mean(0) - slope)
    gradient = prior.tilts[0].layers[0].weight.grad[0]  # type: ignore[union-attr,index]
    # Chains at s = .5 have variance 1/(1 - s^2/4) = 1.067. Persistent chains are drawn with
    # replacement from the kept ones: fewer than n distinct, hence the factor of two.
    error = (1.067 * (2 if rule == "persistent" else 1) / n) ** 0.5
    assert float((gradient - exact).abs().max()) < 4.5 * error


def test_density_ratio_finds_the_log_ratio() -> None:
    """Codes of N(m, I) against N(0, I): f = m . z - |m|^2 / 2, so log Z = 0 by construction."""
    shift = torch.tensor([0.8, -0.5, 0.0])
    prior = linear_tilt(torch.zeros(D))
    rule = DensityRatio(LearningOptions(reference_samples=1, code_pool=0))
    optimiser = torch.optim.LBFGS(prior.parameters(), max_iter=50)
    generator = torch.Generator().manual_seed(0)
    n = 40_000
    codes = torch.randn(n, D, generator=generator) + shift

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = rule(prior, codes, None, 0.0, torch.Generator().manual_seed(1)).loss
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    layer = prior.tilts[0].layers[0]
    # Logistic regression's error per coefficient is about sqrt(2 * 4 / n) = .014 here.
    assert float((layer.weight[0] - shift).abs().max()) < 4.5 * 0.014
    assert abs(float(layer.bias) + 0.5 * float(shift.square().sum())) < 4.5 * 0.014


def test_a_second_stage_learns_what_the_first_left() -> None:
    """With stage one at half the shift, stage two's optimum is the other half."""
    shift = torch.tensor([1.6, 0.0, 0.0])
    prior = EBMPrior(D, hidden=(), bound=None, stages=2, steps=60, step_size=0.4)
    with torch.no_grad():
        prior.tilts[0].layers[0].weight.copy_(0.5 * shift[None])
        prior.tilts[0].layers[0].bias.zero_()
    rule = DensityRatio(LearningOptions(reference_samples=1, code_pool=0))
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(prior.parameters(), lr=0.05)
    frozen = prior.tilts[0].layers[0].weight.clone()
    for _ in range(150):
        codes = torch.randn(2_000, D, generator=generator) + shift
        optimiser.zero_grad()
        rule(prior, codes, None, 0.9, generator).loss.backward()
        optimiser.step()
    assert torch.equal(prior.tilts[0].layers[0].weight, frozen)
    assert float((prior.tilts[1].layers[0].weight[0] - 0.5 * shift).abs().max()) < 0.15


def toy(prior: object, encoder: bool = True) -> LatentEBM:
    torch.manual_seed(0)
    decoder = TabularDecoder(D, 4, (8,), 0.5)
    return LatentEBM(
        prior,  # type: ignore[arg-type]
        decoder,
        TabularEncoder(D, 4, (8,)) if encoder else None,
        Amortized() if encoder else ShortRun(5, 0.1),
    ).train()


def test_f_zero_is_the_vae() -> None:
    model = toy(GaussianPrior(D))
    x = torch.randn(16, 4)
    options = LearningOptions(kl_cycles=0)
    outcome = Learning(options)(model, Batch(x), generator=torch.Generator().manual_seed(0))
    assert set(outcome.losses) == {"decoder", "encoder"}
    q = model.encoder(x)  # type: ignore[misc]
    noise = torch.randn(16, D, generator=torch.Generator().manual_seed(0))
    z = q.mean + q.stddev * noise
    kl = 0.5 * (q.stddev**2 + q.mean**2 - 1 - 2 * q.stddev.log()).sum(1)
    elbo = model.decoder(z).log_prob(x) - kl
    assert torch.allclose(sum(outcome.losses.values()), -elbo.mean(), atol=1e-5)


def test_the_variational_bound_has_the_tilt_and_leaves_its_parameters_alone() -> None:
    prior = linear_tilt(torch.tensor([1.0, 2.0, 3.0]))
    model = toy(prior)
    x = torch.randn(16, 4)
    options = LearningOptions(kl_cycles=0, tilt_start=1.0)
    outcome = Learning(options)(model, Batch(x), generator=torch.Generator().manual_seed(0))
    plain = Learning(options)(
        toy(GaussianPrior(D)), Batch(x), generator=torch.Generator().manual_seed(0)
    )
    q = model.encoder(x)  # type: ignore[misc]
    noise = torch.randn(16, D, generator=torch.Generator().manual_seed(0))
    tilt = prior.log_tilt(q.mean + q.stddev * noise).mean()
    difference = outcome.losses["encoder"] - plain.losses["encoder"]
    assert torch.allclose(difference, -tilt, atol=1e-5)
    sum(outcome.losses.values()).backward()  # type: ignore[union-attr]
    assert all(p.grad is None for p in prior.parameters())
    assert all(p.grad is not None for p in model.encoder.parameters())  # type: ignore[union-attr]


def test_mcmc_rule_trains_decoder_and_prior_and_teaches_an_encoder() -> None:
    for encoder in (False, True):
        model = toy(EBMPrior(D, (8,), steps=3), encoder)
        model.inference = ShortRun(5, 0.1)
        outcome = Learning(LearningOptions(decoder="mcmc", tilt="short-run"))(
            model, Batch(torch.randn(8, 4)), generator=torch.Generator().manual_seed(0)
        )
        assert set(outcome.losses) == {"decoder", "prior", *(["encoder"] if encoder else [])}
        sum(outcome.losses.values()).backward()  # type: ignore[union-attr]
        parts = [model.prior, model.decoder, *([model.encoder] if encoder else [])]
        for part in parts:
            assert all(p.grad is not None for p in part.parameters())  # type: ignore[union-attr]


def test_a_uniform_reference_is_refused_by_the_variational_rule() -> None:
    model = toy(EBMPrior(D, reference="uniform"))
    with pytest.raises(UsageError, match="mcmc works"):
        Learning(LearningOptions())(model, Batch(torch.randn(4, 4)))


def test_kl_schedule() -> None:
    constant = LearningOptions(kl_cycles=0, kl_weight=0.7)
    assert kl_schedule(constant, 0.0) == 0.7
    cyclic = LearningOptions(kl_cycles=2, kl_zero=0.5, kl_rise=0.25, kl_weight=1.0)
    values = [kl_schedule(cyclic, p) for p in (0.0, 0.2, 0.3125, 0.4, 0.5, 0.95, 1.0)]
    assert values == pytest.approx([0.0, 0.0, 0.5, 1.0, 0.0, 1.0, 1.0])


def test_free_bits_cost_nothing_below_the_threshold() -> None:
    model = toy(GaussianPrior(D))
    with torch.no_grad():
        for p in model.encoder.parameters():  # type: ignore[union-attr]
            p.zero_()  # q = N(0, I): no KL at all
    options = LearningOptions(kl_cycles=0, free_bits=0.3)
    outcome = Learning(options)(model, Batch(torch.randn(4, 4)))
    loss = outcome.losses["encoder"]
    assert float(loss) == pytest.approx(0.3 * D)
    loss.backward()
    assert all(float(p.grad.abs().max()) == 0 for p in model.encoder.parameters())  # type: ignore[union-attr]


def test_coupled_prior_learns_labels_and_information() -> None:
    model = toy(CoupledPrior(D, 2, (8,)))
    x = torch.cat([torch.randn(100, 4) + 1.5, torch.randn(100, 4) - 1.5])
    y = torch.arange(200) // 100
    y[10:90] = -1
    y[110:190] = -1
    learning = Learning(LearningOptions(kl_cycles=0, label_weight=5.0, mutual_information=1.0))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        optimiser.zero_grad()
        outcome = learning(model, Batch(x, y), generator=generator)
        sum(outcome.losses.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
    assert float(outcome.metrics["mutual_information"]) > 0.4  # of log 2 = .69
    found = model.eval().classify(x, generator=generator).argmax(1)
    truth = torch.arange(200) // 100
    assert float((found == truth).float().mean()) > 0.95


def test_finish_fits_the_mixture_to_the_codes() -> None:
    from lebm_tabular.data.synthetic import EightGaussians

    data = EightGaussians({"train": 2_000}, 0)
    torch.manual_seed(0)
    model = LatentEBM(MixturePrior(2, 8), TabularDecoder(2, 2, (8,)), TabularEncoder(2, 2, (8,)))
    learning = Learning(LearningOptions(decoder="autoencoder"))
    learning.finish(model, data, torch.Generator().manual_seed(0))
    codes = model.encoder(data.points["train"]).mean  # type: ignore[misc]
    drawn = model.prior.sample(5_000, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.mean(0), codes.mean(0), atol=4.5 * float(codes.std()) / 5_000**0.5)
    assert float(model.prior.log_prob(codes).mean()) > float(
        GaussianPrior(2).log_prob(codes).mean()
    )


def test_state_of_learning_survives() -> None:
    options = LearningOptions(tilt="persistent", persistent_chains=50)
    model = toy(EBMPrior(D, (8,), steps=3))
    first = Learning(options)
    first(model, Batch(torch.randn(8, 4)), generator=torch.Generator().manual_seed(0))
    second = Learning(options)
    second.load_state_dict(first.state_dict(), model)
    x = torch.randn(8, 4)
    losses = [
        each(model, Batch(x), generator=torch.Generator().manual_seed(5)).losses
        for each in (first, second)
    ]
    for part in losses[0]:
        assert torch.equal(losses[0][part], losses[1][part])


@pytest.mark.parametrize("key", ["decoder", "tilt"])
def test_unknown_rules_name_the_nearest(key: str) -> None:
    value = {"decoder": "variatonal", "tilt": "density_ratio"}[key]
    with pytest.raises(UsageError, match=rf'learning\.{key} "{value}".*Did you mean'):
        Learning(LearningOptions(**{key: value}))


def test_parameters_rest_during_a_chain() -> None:
    model = toy(EBMPrior(D, (8,)), encoder=False)
    before = [p.clone() for p in model.parameters()]
    model.posterior(torch.randn(4, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert all(p.requires_grad and p.grad is None for p in model.parameters())
    assert model.decoder.training


def test_dropout_is_off_in_a_chain() -> None:
    model = toy(GaussianPrior(D), encoder=False)
    model.decoder.net.append(nn.Dropout(0.9))  # type: ignore[union-attr,operator]
    model.train()
    x = torch.randn(4, 4)
    ends = [model.posterior(x, generator=torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*ends)
    assert model.decoder.net[-1].training  # type: ignore[index]
