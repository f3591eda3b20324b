"""Blocks of steps: recorded and replayed they are the chain that runs as it stands.

A GPU records by a CUDA graph. Here a recorder does the same work again on the same memory, and
spoils after each replay what a graph would overwrite, so that the states, the draws and the looks
after each block are those of the recorded path. Where torch finds a GPU its graphs are compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from chain_cases import MODELS, SAMPLERS, made, name_of, plain, run
from torch import Tensor

from lebm_core import Langevin, ShortRun
from lebm_core.chains import blocks
from lebm_core.chains.densities import Total
from lebm_core.chains.samplers import Sampler
from lebm_core.chains.trace import Chain
from lebm_core.contracts import toys
from lebm_core.errors import DivergenceError


def tensors(seen: Any) -> Iterator[Tensor]:
    """All tensors of what a block left."""
    if isinstance(seen, Tensor):
        yield seen
    elif isinstance(seen, (list, tuple)):
        for each in seen:
            yield from tensors(each)


def cloned(seen: Any) -> Any:
    if isinstance(seen, Tensor):
        return seen.clone()
    if hasattr(seen, "_fields"):
        return type(seen)(*map(cloned, seen))
    return type(seen)(map(cloned, seen))


class Again:
    """A recording on a CPU: the same work on the same memory, drawn from the same generator."""

    made = 0

    def __init__(self, work: Callable[[], Any], state: tuple[Tensor, ...], generator: Any) -> None:
        type(self).made += 1
        self.work = work
        self.given: list[Any] = []

    def replay(self) -> Any:
        for each in self.given:  # the graph's memory is used again
            for tensor in tensors(each):
                tensor.fill_(torch.nan)
        seen = self.work()
        self.given = [cloned(seen)]
        return self.given[0]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks of densities that may be captured are recorded here too."""

    def recorder(target: object, state: Any, generator: Any) -> Any:
        if not getattr(target, "capturable", False):
            return None
        return lambda work: Again(work, state, generator)

    monkeypatch.setattr(blocks, "recorder_for", recorder)
    monkeypatch.setattr(Tensor, "cpu", Tensor.clone)  # as on a GPU, what a trace keeps is a copy
    monkeypatch.setattr(blocks, "_refused", set())
    Again.made = 0
    yield
    assert Again.made, "nothing was recorded"


def trace_of(chain: Chain) -> list[Tensor]:
    columns = (chain.log_prob, chain.gradient_norm, chain.displacement, chain.acceptance)
    found = [torch.stack(each) for each in (*columns, chain.exchange) if each]
    return [*found, *(chain.states[key] for key in sorted(chain.states))]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("sampler", SAMPLERS, ids=name_of)
def test_a_recorded_chain_is_the_plain_one(
    model: str, sampler: Sampler, recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = made(model)
    (z, drawn), (expected, drawn_too) = run(prior, sampler), plain(prior, sampler, monkeypatch)
    assert torch.equal(z, expected) and torch.equal(drawn, drawn_too)
    chains = [Chain(keep=(0, 3, sampler.options["steps"])) for _ in range(2)]
    z, _ = run(prior, sampler, chains[0])
    expected, _ = plain(prior, sampler, monkeypatch, trace=chains[1])
    assert torch.equal(z, expected)
    for found, wanted in zip(*map(trace_of, chains), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0, equal_nan=True)
    assert len(chains[0].log_prob) == sampler.options["steps"]


def test_a_recorded_chain_names_the_step_at_which_it_diverged(recorded: None) -> None:
    class Steep:
        capturable = True

        def __call__(self, z: Tensor) -> Tensor:
            return 2.0 * z.square().sum(-1)  # z grows by 1.02 a step

    start = torch.ones(3, 2)
    with pytest.raises(DivergenceError) as error:
        blocks_of = Langevin(1000, 0.1, noise=0.0)
        blocks_of(Steep(), start)
    found = re.search(r"at step (\d+) of 1000", str(error.value))
    assert found is not None
    assert int(found[1]) == next(k for k in range(1, 1000) if 1.02**k > 1e4)


def test_a_chain_looks_at_its_numbers_once_a_block(
    recorded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = Tensor.__bool__

    def counted(self: Tensor) -> bool:
        nonlocal looks
        looks += 1
        return look(self)

    monkeypatch.setattr(Tensor, "__bool__", counted)
    prior = made("fused")
    run(prior, Langevin(60, 0.3))
    assert looks == 6


def test_a_density_that_does_not_say_so_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    state = (torch.empty(1, 2, device="meta"),)
    assert blocks.recorder_for(made("fused").target(), state, None) is None  # not on a GPU
    target = Total(made("fused").target(), lambda z: z.sum(-1))
    assert not target.capturable
    assert Total(made("fused").target(), made("data space").target()).capturable


def test_where_recording_fails_the_chain_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, calls = made("classes"), 0
    monkeypatch.setattr(blocks, "_refused", set())

    def refuses(work: Callable[[], Any]) -> Any:
        nonlocal calls
        calls += 1
        raise RuntimeError("operation not permitted when stream is capturing")

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "recorder_for", lambda *_: refuses)
        with pytest.warns(RuntimeWarning, match="without a CUDA graph.*not permitted"):
            z, _ = run(prior, Langevin(60, 0.3))
        run(prior, Langevin(60, 0.3))
        assert calls == 1  # a kind of density that cannot be captured is not tried again
    assert torch.equal(z, run(prior, Langevin(60, 0.3))[0])


def test_a_posterior_chain_is_recorded(recorded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = toys.latent_model(inference=ShortRun(Langevin(40, 0.1)))
    x = toys.Points().batch("train", torch.arange(8))

    def codes() -> Tensor:
        return model.inference(model, x, generator=torch.Generator().manual_seed(0))

    z = codes()
    monkeypatch.setattr(blocks._Recorded, "made", classmethod(lambda cls, *_: None))
    assert torch.equal(z, codes())
