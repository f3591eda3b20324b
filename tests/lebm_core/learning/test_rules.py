"""The learning rules against exact gradients and optima."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lebm_core import (
    Amortized,
    Batch,
    CoupledPrior,
    DensityRatio,
    EBMPrior,
    GaussianPrior,
    LatentEBM,
    MixturePrior,
    PersistentChains,
    ShortRun,
    ShortRunChains,
    TwoPart,
    Variational,
)
from lebm_core.base.modules import Configured
from lebm_core.errors import UsageError
from lebm_core.learning.rules import Codes, DecoderRule, PriorRule, TiltLoss
from lebm_core.learning.variational import code_information
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 3


def linear_tilt(slope: torch.Tensor, **sampler: float) -> EBMPrior:
    """f(z) = slope . z: the prior is then N(slope, I), and every expectation is known."""
    prior = EBMPrior(D, {"hidden": []}, sampler, bound=None)
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
    made: PriorRule = ShortRunChains(chain_steps=chain_steps)
    if rule == "persistent":
        made = PersistentChains(n, restart=0.0, chain_steps=chain_steps)
    made(prior, codes, None, 0.0, generator).loss.backward()
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
    rule = DensityRatio(reference_samples=1, code_pool=0)
    optimiser = torch.optim.LBFGS(prior.parameters(), max_iter=50)
    generator = torch.Generator().manual_seed(0)
    n = 10_000
    codes = torch.randn(n, D, generator=generator) + shift

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = rule(prior, codes, None, 0.0, torch.Generator().manual_seed(1)).loss
        loss.backward()
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    layer = prior.tilts[0].layers[0]
    # Logistic regression's error per coefficient is about sqrt(2 * 4 / n) = .028 here.
    assert float((layer.weight[0] - shift).detach().abs().max()) < 4.5 * 0.028
    assert abs(float(layer.bias) + 0.5 * float(shift.square().sum())) < 4.5 * 0.028


def test_a_second_stage_learns_what_the_first_left() -> None:
    """With stage one at half the shift, stage two's optimum is the other half."""
    shift = torch.tensor([1.6, 0.0, 0.0])
    prior = EBMPrior(D, {"hidden": []}, {"steps": 60}, bound=None, stages=2)
    with torch.no_grad():
        prior.tilts[0].layers[0].weight.copy_(0.5 * shift[None])
        prior.tilts[0].layers[0].bias.zero_()
    rule = DensityRatio(reference_samples=1, code_pool=0)
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(prior.parameters(), lr=0.1)
    frozen = prior.tilts[0].layers[0].weight.clone()
    for _ in range(80):
        codes = torch.randn(1_000, D, generator=generator) + shift
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
        Amortized() if encoder else ShortRun({"steps": 5}),
    ).train()


def test_f_zero_is_the_vae() -> None:
    model = toy(GaussianPrior(D))
    x = torch.randn(16, 4)
    rule = TwoPart({"kl_cycles": 0})
    outcome = rule(model, Batch(x), generator=torch.Generator().manual_seed(0))
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
    rule = TwoPart({"kl_cycles": 0}, prior_start=1.0)
    outcome = rule(model, Batch(x), generator=torch.Generator().manual_seed(0))
    plain = TwoPart({"kl_cycles": 0}, prior_start=1.0)(
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
        model = toy(EBMPrior(D, {"hidden": [8]}, {"steps": 3}), encoder)
        model.inference = ShortRun({"steps": 5})
        outcome = TwoPart("mcmc", "short-run")(
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
        TwoPart()(model, Batch(torch.randn(4, 4)))


def test_kl_schedule() -> None:
    constant = Variational(kl_cycles=0, kl_weight=0.7)
    assert constant.weight(0.0) == 0.7
    cyclic = Variational(kl_cycles=2, kl_zero=0.5, kl_rise=0.25)
    values = [cyclic.weight(p) for p in (0.0, 0.2, 0.3125, 0.4, 0.5, 0.95, 1.0)]
    assert values == pytest.approx([0.0, 0.0, 0.5, 1.0, 0.0, 1.0, 1.0])


def test_free_bits_cost_nothing_below_the_threshold() -> None:
    model = toy(GaussianPrior(D))
    with torch.no_grad():
        for p in model.encoder.parameters():  # type: ignore[union-attr]
            p.zero_()  # q = N(0, I): no KL at all
    rule = TwoPart({"kl_cycles": 0, "free_bits": 0.3})
    outcome = rule(model, Batch(torch.randn(4, 4)))
    loss = outcome.losses["encoder"]
    assert float(loss) == pytest.approx(0.3 * D)
    loss.backward()
    assert all(float(p.grad.abs().max()) == 0 for p in model.encoder.parameters())  # type: ignore[union-attr]


def test_a_collapsed_code_is_told_late_and_at_the_full_weight() -> None:
    rule = TwoPart({"kl_rise": 0.25})
    record = {"information": 0.02, "kl_weight": 1.0, "step": 300.0, "kl": 3.0}
    model = toy(GaussianPrior(D))
    rule(model, Batch(torch.randn(4, 4)), progress=0.5)
    assert rule.warnings(record) == []
    rule(model, Batch(torch.randn(4, 4)), progress=0.9)
    (told,) = rule.warnings(record)
    assert "at most 0.02 nats" in told and "learning.decoder.free_bits" in told
    for other in ({"information": 0.2}, {"kl_weight": 0.5}, {"step": 20.0}):
        assert rule.warnings(record | other) == []


def test_the_information_of_a_code_is_that_of_a_gaussian_channel() -> None:
    """Means of variance 3 in one dimension of noise 1: log(1 + 3) / 2, wherever the codes lie."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.zeros(100_000, 2, dtype=torch.float64)
    mean[:, 0] = 5 + 3**0.5 * torch.randn(100_000, generator=generator, dtype=torch.float64)
    told = code_information(mean, torch.ones_like(mean))
    assert float(told) == pytest.approx(0.5 * math.log(4), abs=0.01)
    assert float(code_information(torch.full((8, 2), 5.0), torch.full((8, 2), 0.3))) == (
        pytest.approx(0, abs=1e-5)
    )


def test_coupled_prior_learns_labels_and_information() -> None:
    model = toy(CoupledPrior(D, 2, {"hidden": [8]}))
    x = torch.cat([torch.randn(100, 4) + 1.5, torch.randn(100, 4) - 1.5])
    y = torch.arange(200) // 100
    y[10:90] = -1
    y[110:190] = -1
    rule = TwoPart({"kl_cycles": 0}, symbols={"weight": 5.0, "information": 1.0})
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        optimiser.zero_grad()
        outcome = rule(model, Batch(x, y), generator=generator)
        sum(outcome.losses.values()).backward()  # type: ignore[union-attr]
        optimiser.step()
    assert float(outcome.metrics["mutual_information"]) > 0.4  # of log 2 = .69
    guess = model.eval().classify(x, generator=generator).argmax(1)
    truth = torch.arange(200) // 100
    assert float((guess == truth).float().mean()) > 0.95


def test_finish_fits_the_mixture_to_the_codes() -> None:
    from lebm_tabular.data.synthetic import EightGaussians

    data = EightGaussians({"train": 2_000}, 0)
    torch.manual_seed(0)
    model = LatentEBM(MixturePrior(2, 8), TabularDecoder(2, 2, (8,)), TabularEncoder(2, 2, (8,)))
    TwoPart("autoencoder").finish(model, data, torch.Generator().manual_seed(0))
    codes = model.encoder(data.points["train"]).mean  # type: ignore[misc]
    drawn = model.prior.sample(5_000, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(drawn.mean(0), codes.mean(0), atol=4.5 * float(codes.std()) / 5_000**0.5)
    assert float(model.prior.log_prob(codes).mean()) > float(
        GaussianPrior(2).log_prob(codes).mean()
    )


def test_the_state_of_a_rule_survives() -> None:
    model = toy(EBMPrior(D, {"hidden": [8]}, {"steps": 3}))
    first, second = (TwoPart(prior={"name": "persistent", "chains": 50}) for _ in range(2))
    first(model, Batch(torch.randn(8, 4)), generator=torch.Generator().manual_seed(0))
    second.load_state_dict(first.state_dict(), model)
    x = torch.randn(8, 4)
    losses = [
        each(model, Batch(x), generator=torch.Generator().manual_seed(5)).losses
        for each in (first, second)
    ]
    for part in losses[0]:
        assert torch.equal(losses[0][part], losses[1][part])


@pytest.mark.parametrize(("part", "name"), [("decoder", "variatonal"), ("prior", "density_ratio")])
def test_unknown_rules_name_the_nearest(part: str, name: str) -> None:
    with pytest.raises(UsageError, match=rf'"{part}\.{name}".*Did you mean'):
        TwoPart(**{part: name})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"decoder": {"kl_zero": -0.1}}, "learning.decoder.kl_zero = -0.1 is too small; use at"),
        ({"decoder": {"kl_weigth": 1.0}}, 'no option "kl_weigth". Did you mean "kl_weight"'),
        ({"prior": {"reference_samples": 0}}, "learning.prior.reference_samples = 0 is too small"),
        ({"prior": {"chain_init": "data"}}, 'no option "chain_init"'),  # of another rule
        ({"prior": {"name": "short-run", "chain_init": "date"}}, '"date" is unknown; use refer'),
        ({"prior": {"name": "persistent", "chains": 0}}, "learning.prior.chains = 0 is too small"),
        ({"prior": {"name": "short-run", "chain_steps": -1}}, "chain_steps = -1 is too small"),
        ({"prior_start": -0.5}, "learning.prior_start = -0.5 is too small; use at least 0"),
        ({"symbols": {"label": 3}}, 'learning.symbols has no option "label". Did you mean'),
    ],
)
def test_an_option_that_is_not_possible_is_refused(
    options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        TwoPart(**options)  # type: ignore[arg-type]


def test_a_rule_is_made_again_from_its_options() -> None:
    rule = TwoPart({"kl_weight": 0.5}, "short-run", {"vat": 2.0}, {"steps": 3}, ["width"], 0.5, 2.0)
    again = TwoPart(**rule.options)
    assert again.options == rule.options and isinstance(again.prior, ShortRunChains)
    assert again.decoder.options["kl_weight"] == 0.5  # type: ignore[attr-defined]
    assert again.symbols.vat == 2.0 and again.refit.steps == 3 and again.properties == ["width"]


def test_the_prior_is_told_the_share_of_its_own_training() -> None:
    seen = []

    class Watch(Configured, PriorRule):
        """Keeps what it is told."""

        def __init__(self) -> None:
            pass

        def __call__(self, prior, codes, context, progress, generator, y=None):  # type: ignore[no-untyped-def]
            seen.append(progress)
            return TiltLoss(codes.new_zeros(()), {})

    model = toy(GaussianPrior(D))
    for start in (0.0, 0.5, 1.0):
        rule = TwoPart(prior=Watch(), prior_start=start)
        for progress in (0.0, 0.5, 0.75, 1.0):
            rule(model, Batch(torch.randn(4, 4)), progress=progress)
    assert seen == pytest.approx([0.0, 0.5, 0.75, 1.0, 0.0, 0.5, 1.0, 1.0])


def test_a_decoder_rule_of_ones_own() -> None:
    """Members that it does not say have their defaults; the prior learns from its codes."""

    class Fixed(Configured, DecoderRule):
        """All codes are 1."""

        def __init__(self) -> None:
            pass

        def __call__(self, model, batch, symbols, progress, generator):  # type: ignore[no-untyped-def]
            z = torch.ones(len(batch.x), D)
            return Codes(z, {"decoder": -model.decoder.likelihood(batch.x)(z).mean()}, {})

    model = toy(linear_tilt(torch.zeros(D)))
    rule = TwoPart(Fixed(), {"code_pool": 0, "reference_samples": 50})
    outcome = rule(model, Batch(torch.randn(64, 4)), generator=torch.Generator().manual_seed(0))
    assert set(outcome.losses) == {"decoder", "prior"}
    outcome.losses["prior"].backward()
    gradient = model.prior.tilts[0].layers[0].weight.grad[0]  # type: ignore[union-attr,index]
    # Half of E_posterior z - E_reference z; 3200 draws have an error of .018 in the mean.
    assert float((gradient + 0.5).abs().max()) < 4 * 0.5 * 0.018


def test_parameters_rest_during_a_chain() -> None:
    model = toy(EBMPrior(D, {"hidden": [8]}), encoder=False)
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
