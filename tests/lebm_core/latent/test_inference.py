"""Posterior inference against the linear-Gaussian posterior."""

from __future__ import annotations

import pytest
import torch
from toys import Exact, Linear

from lebm_core import (
    Amortized,
    AmortizedRefined,
    Batch,
    GaussianPrior,
    LatentEBM,
    Persistent,
    ShortRun,
)
from lebm_core.errors import UsageError
from lebm_core.registry.parts import Part, describe, make

STEP = 0.25


@pytest.fixture
def model() -> LatentEBM:
    torch.manual_seed(0)
    decoder = Linear(torch.randn(4, 2), 0.7)
    return LatentEBM(GaussianPrior(2), decoder, Exact(decoder))


@pytest.mark.parametrize("kind", ["short-run", "persistent", "amortized-refined"])
def test_chain_posterior_has_the_exact_mean_and_the_discretised_covariance(
    model: LatentEBM, kind: str
) -> None:
    n = 20_000
    x = torch.tensor([[0.5, -1.0, 0.3, 2.0]]).expand(n, -1)
    steps = {"short-run": 80, "persistent": 40, "amortized-refined": 60}[kind]
    inference = make(
        Part("inference"), {"name": kind, "sampler": {"steps": steps, "step_size": STEP}}
    )
    generator = torch.Generator().manual_seed(1)
    batch = Batch(x, rows=torch.arange(n))
    model.train()
    for _ in range(2 if kind == "persistent" else 1):  # the second call goes on from the first
        z = inference(model, batch, generator=generator)
    mean, precision = model.decoder.posterior(x[:1])  # type: ignore[operator]
    eye = torch.eye(2)
    expected = torch.linalg.inv(eye - STEP**2 * precision / 4) @ torch.linalg.inv(precision)
    error = (expected.diagonal() / n).sqrt()
    assert float(((z.mean(0) - mean[0]).abs() / error).max()) < 4.5
    diagonal = expected.diagonal()
    spread = ((diagonal[:, None] * diagonal + expected**2) / n).sqrt()
    assert float(((torch.cov(z.T) - expected).abs() / spread).max()) < 4.5


def test_persistent_chains_go_on_only_in_training(model: LatentEBM) -> None:
    inference = Persistent(sampler={"steps": 1, "step_size": 1e-6})
    batch = Batch(torch.randn(3, 4), rows=torch.tensor([4, 7, 9]))
    model.train()
    first = inference(model, batch)
    second = inference(model, batch)
    assert torch.allclose(first, second, atol=1e-4)
    model.eval()
    assert not torch.allclose(inference(model, batch), second, atol=1e-2)
    again = Persistent(sampler={"steps": 1, "step_size": 1e-6})
    again.load_state_dict(inference.state_dict())
    model.train()
    assert torch.allclose(again(model, batch), second, atol=1e-4)


def test_data_based_chains_start_from_earlier_codes(model: LatentEBM) -> None:
    inference = ShortRun(sampler={"steps": 1, "step_size": 1e-6}, init="data")
    model.train()
    batch = Batch(torch.randn(3, 4))
    first = inference(model, batch)
    second = inference(model, batch)
    distance = torch.cdist(second, first).amin(1)
    assert float(distance.max()) < 1e-4


def test_amortised_draws_follow_the_encoder(model: LatentEBM) -> None:
    x = torch.randn(1, 4).expand(20_000, -1)
    z = model.posterior(x, generator=torch.Generator().manual_seed(0))
    q = model.need_encoder("this test")(x[:1])
    error = q.stddev[0] / 20_000**0.5
    assert float(((z.mean(0) - q.mean[0]) / error).abs().max()) < 4.5
    mean = model.posterior(x[:1], inference=Amortized(mean=True))
    assert torch.allclose(mean, q.mean)


def test_several_codes_of_an_example_are_draws_and_encode_it_once(model: LatentEBM) -> None:
    x, passes = torch.randn(2, 4, generator=torch.Generator().manual_seed(2)), []
    assert model.encoder is not None
    model.encoder.register_forward_hook(lambda *_: passes.append(1))
    n = 20_000
    z = Amortized().several(model, Batch(x), n, torch.Generator().manual_seed(1))
    assert z.shape == (n, 2, 2) and len(passes) == 1
    q = model.encoder(x)
    assert float(((z.mean(0) - q.mean).abs() / (q.stddev / n**0.5)).max()) < 4.5
    assert float((z.var(0) / q.variance - 1).abs().max()) < 4.5 * (2 / n) ** 0.5


def test_options_round_trip() -> None:
    for inference in (
        ShortRun(sampler={"steps": 3, "step_size": 0.2, "noise": 0.5}, init="data"),
        Persistent(sampler={"steps": 4, "step_size": 0.3}),
        Amortized(),
        AmortizedRefined(sampler={"steps": 5, "step_size": 0.1, "noise": 0.9}),
    ):
        table = describe(inference, "inference")
        again = make(Part("inference"), table)
        assert type(again) is type(inference) and describe(again) == table


def test_errors_name_the_choice() -> None:
    with pytest.raises(UsageError, match='Did you mean "persistent"'):
        make(Part("inference"), "persistant")
    with pytest.raises(UsageError, match="use reference or data"):
        ShortRun(init="prior")
    decoder = Linear(torch.randn(4, 2), 1.0)
    bare = LatentEBM(GaussianPrior(2), decoder)
    with pytest.raises(UsageError, match="needs an encoder"):
        bare.posterior(torch.randn(1, 4), inference=Amortized())
