"""The model as a user meets it: sampling, reconstruction, completion, saving, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toys import Exact, Linear

from lebm_core import (
    AmortizedRefined,
    CoupledPrior,
    EBMPrior,
    GaussianPrior,
    LatentEBM,
    MixturePrior,
    SecondStagePrior,
    SequenceDecoder,
    ShortRun,
)
from lebm_core.errors import UsageError
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder


def small(prior: object = None, inference: object = None) -> LatentEBM:
    torch.manual_seed(0)
    return LatentEBM(
        prior or EBMPrior(2, energy={"hidden": (8,)}, sampler={"steps": 5}),  # type: ignore[arg-type]
        TabularDecoder(2, 3, (8,), 0.2),
        TabularEncoder(2, 3, (8,)),
        inference,  # type: ignore[arg-type]
    ).eval()


@pytest.mark.parametrize(
    "prior",
    [
        GaussianPrior(2),
        EBMPrior(2, energy={"hidden": (8,)}, stages=2),
        CoupledPrior(2, 3, energy={"hidden": (8,)}),
        MixturePrior(2, 4),
        SecondStagePrior(2, (8,)),
    ],
)
def test_saved_models_come_back_as_they_were(prior: object, tmp_path: Path) -> None:
    model = small(prior, AmortizedRefined(sampler={"steps": 3, "step_size": 0.05}))
    model.save_pretrained(tmp_path / "m")
    files = {p.name for p in (tmp_path / "m").iterdir()}
    assert {"config.json", "model.safetensors"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in files)
    again = LatentEBM.from_pretrained(str(tmp_path / "m"))
    first, second = (
        m.sample(7, generator=torch.Generator().manual_seed(1)) for m in (model, again)
    )
    assert torch.equal(first, second)
    x = torch.randn(4, 3)
    first, second = (
        m.posterior(x, generator=torch.Generator().manual_seed(1)) for m in (model, again)
    )
    assert torch.equal(first, second)
    assert not again.training


def test_weights_in_one_storage_are_saved_each_by_itself(tmp_path: Path) -> None:
    """On a GPU the weights of an LSTM are views of one storage; a tensor may have two names."""
    torch.manual_seed(0)
    decoder = SequenceDecoder(2, 9, cell="lstm", embed_dim=4, hidden=5)
    recurrent = next(m for m in decoder.modules() if isinstance(m, torch.nn.LSTM))
    weights = list(recurrent.parameters())
    flat = torch.cat([p.detach().flatten() for p in weights])
    for p, part in zip(weights, flat.split([p.numel() for p in weights]), strict=True):
        p.data = part.view_as(p)
    decoder.again = weights[0]
    model = LatentEBM(EBMPrior(2, energy={"hidden": (8,)}), decoder)
    model.save_pretrained(tmp_path / "m")
    plain = SequenceDecoder(2, 9, cell="lstm", embed_dim=4, hidden=5)
    plain.again = next(m for m in plain.modules() if isinstance(m, torch.nn.LSTM)).weight_ih_l0
    again = LatentEBM.from_pretrained(tmp_path / "m", decoder=plain)
    state = again.state_dict()
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    kept = load_file(tmp_path / "m" / "model.safetensors")
    assert sum(t.numel() for t in kept.values()) == sum(p.numel() for p in model.parameters())


def test_an_unregistered_decoder_must_be_passed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    decoder = Linear(torch.randn(3, 2), 0.5)
    LatentEBM(GaussianPrior(2), decoder).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"registered by no plugin.*decoder=\.\.\."):
        LatentEBM.from_pretrained(str(tmp_path))
    blank = Linear(torch.zeros(3, 2), 0.5)
    again = LatentEBM.from_pretrained(str(tmp_path), decoder=blank)
    assert torch.equal(again.decoder.weight, decoder.weight)


def test_damage_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="neither a folder with a model nor a hub id"):
        LatentEBM.from_pretrained(str(tmp_path / "absent"), local_files_only=True)
    with pytest.raises(UsageError, match=r"config\.json is missing"):
        LatentEBM.from_pretrained(str(tmp_path))
    model = small()
    model.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(UsageError, match="does not fit"):
        LatentEBM.from_pretrained(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(UsageError, match="not a model's configuration"):
        LatentEBM.from_pretrained(str(tmp_path))


def test_parts_must_agree_on_z() -> None:
    with pytest.raises(UsageError, match="The decoder has 2 latent dimensions, the prior 3"):
        LatentEBM(GaussianPrior(3), TabularDecoder(2, 4))


def test_sampling_is_reproducible_and_checks_its_arguments() -> None:
    model = small(CoupledPrior(2, 3, energy={"hidden": (8,)}, sampler={"steps": 5}))
    draws = [
        model.sample(10, y=1, batch_size=4, generator=torch.Generator().manual_seed(2))
        for _ in range(2)
    ]
    assert torch.equal(*draws)
    assert draws[0].shape == (10, 3)
    with pytest.raises(UsageError, match="from 0 to 2, not 3"):
        model.sample(2, y=3)
    with pytest.raises(UsageError, match="n = 0 is too small; use at least 1"):
        model.sample(0)
    with pytest.raises(UsageError, match="no classes"):
        small().sample(2, y=0)
    with pytest.raises(UsageError, match="coupled prior"):
        small().classify(torch.randn(1, 3))


def test_reconstruction_and_interpolation_of_a_linear_model() -> None:
    torch.manual_seed(0)
    decoder = Linear(torch.randn(4, 2), 0.1)
    model = LatentEBM(GaussianPrior(2), decoder, Exact(decoder))
    x = (torch.randn(5, 2) @ decoder.weight.T).detach()
    mean, _ = decoder.posterior(x)
    assert torch.allclose(model.reconstruct(x), (mean @ decoder.weight.T).detach(), atol=1e-5)
    line = model.interpolate(x[:1], x[1:2], steps=3)
    ends = model.reconstruct(x[:2])
    assert torch.allclose(line[[0, 2]], ends, atol=1e-5)
    assert torch.allclose(line[1], ends.mean(0), atol=1e-5)


def test_completion_recovers_what_the_known_coordinates_determine() -> None:
    """x = W z with 2 latents and 4 coordinates: two of them give the other two."""
    torch.manual_seed(0)
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]])
    model = LatentEBM(GaussianPrior(2), Linear(weight, 0.1))
    x = torch.randn(200, 2) @ weight.T
    mask = torch.tensor([True, True, False, False])
    done = model.complete(
        x, mask, steps=300, step_size=0.05, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(done[:, :2], x[:, :2])
    # z's posterior has standard deviation sigma, so each filled-in value is off by sqrt(2) sigma.
    error = (done[:, 2:] - x[:, 2:]).square().mean().sqrt()
    assert float(error) < 1.5 * 0.1 * 2**0.5


@pytest.mark.parametrize("inference", [None, AmortizedRefined(sampler={"steps": 3})])
def test_the_score_is_the_sum_of_its_parts(inference: object) -> None:
    """At the encoder's mean where the encoder infers alone, else at a draw of the posterior."""
    model = small(inference=inference)
    x = torch.randn(6, 3)
    found = model.score(x, generator=torch.Generator().manual_seed(0))
    assert model.encoder is not None
    z = (
        model.encoder(x).mean
        if inference is None
        else model.posterior(x, generator=torch.Generator().manual_seed(0))
    )
    expected = -(model.decoder(z).log_prob(x) + model.prior.log_prob(z))
    assert torch.allclose(found.total, expected, atol=1e-4)
    assert torch.allclose(found.total, sum(found[1:]), atol=1e-4)
    far = model.score(x + 50, generator=torch.Generator().manual_seed(0))
    assert bool((far.total > found.total).all())


def test_short_run_is_the_default_without_an_encoder() -> None:
    model = LatentEBM(GaussianPrior(2), TabularDecoder(2, 3, (4,)))
    assert isinstance(model.inference, ShortRun)
    assert model.inference.sampler.options == {"steps": 20, "step_size": 0.1, "noise": 1.0}
