"""On a GPU: chains sample what they sample on a CPU, and decoders have the same likelihoods there.

Skipped where torch finds no GPU. The recipes find one by themselves (`training.device = "auto"`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lebm_core import (
    Batch,
    CoupledPrior,
    Decoder,
    EBMPrior,
    LatentEBM,
    LatentEBMClassifier,
    SequenceDecoder,
    ShortRun,
    TwoPart,
)
from lebm_core.base.modules import frozen
from lebm_core.base.precision import recurrent_autocast
from lebm_images.networks.decoder import DeconvDecoder
from lebm_trajectories.networks.paths import TrajectoryDecoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")

DIM, ROWS = 8, 16
TOKENS = torch.randint(4, 40, (ROWS, 11), generator=torch.Generator().manual_seed(0))
TOKENS[:, -1] = 2
Case = tuple[Callable[[], Decoder], Any, Tensor | None]
CASES: dict[str, Case] = {
    **{
        f"sequence, {cell}": (
            lambda cell=cell: SequenceDecoder(DIM, 40, cell=cell, embed_dim=16, hidden=32),
            TOKENS, None,
        )
        for cell in ("lstm", "gru", "transformer")
    },
    "images": (
        lambda: DeconvDecoder(DIM, channels=1, side=28, architecture="mnist", width=0.25),
        torch.rand(ROWS, 1, 28, 28) * 2 - 1, None,
    ),
    "trajectories": (
        lambda: TrajectoryDecoder(DIM, observed=8, predicted=12, neighbours=2),
        torch.randn(ROWS, 12, 2), torch.randn(ROWS, 14 + 2 * 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("y", [None, 1])
def test_chains_sample_the_tilt(y: int | None) -> None:
    """The mean of 20,000 codes against quadrature in the plane."""
    torch.manual_seed(1)
    prior = CoupledPrior(
        2,
        3,
        energy={"hidden": (16,)},
        sampler={"name": "mala", "steps": 150, "step_size": 0.5},
        bound=3.0,
    ).cuda()
    for p in prior.parameters():
        torch.nn.init.normal_(p, std=0.7)
    n = 20_000
    z = prior.sample(n, y=y, generator=torch.Generator("cuda").manual_seed(0))
    line = torch.linspace(-6, 6, 401, device="cuda")
    grid = torch.cartesian_prod(line, line)
    label = None if y is None else torch.full((len(grid),), y, device="cuda")
    with torch.no_grad():
        p = prior.log_prob(grid, label).double().softmax(0)[:, None]
    mean = (p * grid).sum(0)
    error = ((p * (grid - mean).square()).sum(0) / n).sqrt()
    assert float(((z.mean(0) - mean).abs() / error).max()) < 4.5


@pytest.mark.parametrize("classes", [0, 4])
def test_the_gradient_of_a_chain_is_the_cpus(classes: int) -> None:
    """In bfloat16 where that is faster: to its rounding, as on a CPU (test_dynamics)."""
    torch.manual_seed(0)
    prior = CoupledPrior(DIM, classes) if classes else EBMPrior(DIM)
    z = torch.randn(100, DIM)
    exact = prior.target().gradient(z) + z
    there = prior.cuda().target(half_rows=100).gradient(z.cuda()).cpu() + z
    assert float((there - exact).norm() / exact.norm()) < 0.01


@pytest.mark.parametrize("name", CASES)
def test_decoders_have_the_same_likelihood_and_slope(name: str) -> None:
    make, x, context = CASES[name]
    torch.manual_seed(0)
    decoder = make().eval()
    z = torch.randn(ROWS, DIM)
    found = []
    for device in ("cpu", "cuda"):
        decoder.to(device)
        given = None if context is None else context.to(device)
        with torch.no_grad():
            value = decoder.likelihood(x.to(device), given)(z.to(device)).cpu()
        with frozen(decoder):
            at = z.to(device, copy=True).requires_grad_()
            decoder.likelihood(x.to(device), given)(at).sum().backward()
        assert at.grad is not None
        found.append((value, at.grad.cpu()))
    (value, slope), (there, slope_there) = found
    torch.testing.assert_close(there, value, rtol=1e-4, atol=1e-2)
    # bfloat16 on either side, where it is faster: three decimal digits, over some layers
    assert float((slope_there - slope).norm() / slope.norm()) < 0.03


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("tilt", ["short-run", "persistent", "density-ratio"])
def test_each_learns_samples_and_is_saved(name: str, tilt: str, tmp_path: Path) -> None:
    make, x, context = CASES[name]
    if context is not None and tilt == "persistent":
        pytest.skip("persistent chains have no context")
    torch.manual_seed(0)
    dim = 0 if context is None else context.shape[1]
    prior = EBMPrior(DIM, energy={"hidden": (16,)}, sampler={"steps": 5}, context_dim=dim)
    model = LatentEBM(prior, make(), None, ShortRun(sampler={"steps": 5, "step_size": 0.05})).cuda()
    learning = TwoPart("mcmc", {"name": tilt, **({"chains": 32} if tilt == "persistent" else {})})
    batch = Batch(x, context=context).to("cuda")
    generator = torch.Generator("cuda").manual_seed(0)
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    seen = []
    for _ in range(30):
        outcome = learning(model, batch, generator=generator)
        adam.zero_grad()
        torch.stack(list(outcome.losses.values())).sum().backward()
        adam.step()
        seen.append(float(outcome.losses["decoder"].detach()))
    assert all(np.isfinite(seen)) and np.mean(seen[-5:]) < np.mean(seen[:5])
    drawn = model.sample(ROWS, context=batch.context, generator=generator)
    assert torch.as_tensor(drawn).device.type == "cuda"
    model.save_pretrained(tmp_path / "m")
    again = LatentEBM.from_pretrained(tmp_path / "m", decoder=make()).state_dict()
    assert all(torch.equal(again[k], v.cpu()) for k, v in model.state_dict().items())


def test_a_recurrent_net_is_never_in_float16() -> None:
    with recurrent_autocast("cuda", True):
        assert not torch.is_autocast_enabled("cuda")


def test_the_classifier_learns_there() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = 4 * np.eye(3)[y] @ rng.normal(size=(3, 8)) + rng.normal(size=(600, 8))
    few = np.where(np.arange(600) < 30, y, -1)
    model = LatentEBMClassifier(device="cuda", max_iter=30, random_state=0).fit(x[:400], few[:400])
    assert model.score(x[400:], y[400:]) > 0.9
    assert model.predict_proba(x[:5]).shape == (5, 3)
    assert model.sample(7, y=1).shape == (7, 8)
