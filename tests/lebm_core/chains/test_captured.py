"""On a GPU: a chain captured as a CUDA graph is the one whose kernels are launched one by one."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from chain_cases import MODELS, SAMPLERS, made, name_of, plain, run
from torch import Tensor

from lebm_core import Decoder, EBMPrior, Langevin, LatentEBM, SequenceDecoder, ShortRun
from lebm_core.chains import blocks
from lebm_core.chains.samplers import Sampler
from lebm_images.networks.decoder import DeconvDecoder
from lebm_trajectories.networks.paths import TrajectoryDecoder

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU")


@pytest.fixture(autouse=True)
def nothing_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_refused", set())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampler", SAMPLERS, ids=name_of)
def test_a_captured_chain_is_the_eager_one(
    model: str, sampler: Sampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = made(model).cuda()
    for p in prior.parameters():
        p.data.div_(2.0)  # a chain that amplifies rounding would compare nothing
    (z, drawn), (expected, drawn_too) = run(prior, sampler), plain(prior, sampler, monkeypatch)
    assert torch.equal(drawn, drawn_too)
    apart = (z - expected).abs().amax(-1) > 1e-3  # a rounding may turn an acceptance
    assert float(apart.float().mean()) < (0.1 if sampler.adjusted else 1e-9)


TOKENS = torch.randint(4, 40, (16, 11), generator=torch.Generator().manual_seed(0))
TOKENS[:, -1] = 2
DECODERS: dict[str, tuple[Callable[[], Decoder], Any, Tensor | None]] = {
    "images": (
        lambda: DeconvDecoder(4, channels=1, side=28, architecture="mnist", width=0.25),
        torch.rand(16, 1, 28, 28) * 2 - 1, None,
    ),
    **{
        f"sequence, {cell}": (
            lambda cell=cell: SequenceDecoder(4, 40, cell=cell, embed_dim=16, hidden=32), TOKENS,
            None,
        )
        for cell in ("lstm", "gru", "transformer")
    },
    "trajectories": (
        lambda: TrajectoryDecoder(4, observed=8, predicted=12, neighbours=2),
        torch.randn(16, 12, 2), torch.randn(16, 14 + 2 * 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECODERS)
def test_a_captured_posterior_chain_is_the_eager_one(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, x, context = DECODERS[name]
    torch.manual_seed(0)
    width = 0 if context is None else context.shape[1]
    prior = EBMPrior(4, energy={"hidden": (16,)}, context_dim=width)
    model = LatentEBM(prior, make(), None, ShortRun(Langevin(40, 0.02))).cuda().eval()
    x, given = x.cuda(), None if context is None else context.cuda()

    def codes() -> Tensor:
        return model.posterior(x, context=given, generator=torch.Generator("cuda").manual_seed(0))

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # that it could not be captured
        z = codes()
    monkeypatch.setattr(blocks._Recorded, "made", classmethod(lambda cls, *_: None))
    assert torch.allclose(z, codes(), atol=1e-2)


def test_a_capture_that_fails_leaves_the_generator_usable() -> None:
    class Looks:
        capturable = True

        def __call__(self, z: Tensor) -> Tensor:
            assert float(z.detach().sum()) < 1e9
            return -0.5 * z.square().sum(-1)

    with pytest.warns(RuntimeWarning, match="without a CUDA graph"):
        z = Langevin(60, 0.3)(Looks(), torch.zeros(5, 2, device="cuda"))
    assert z.std() > 0 and torch.randn(3, device="cuda").isfinite().all()
