"""Sequences that go on from a beginning: the next token's probabilities against quadrature."""

from __future__ import annotations

import math

import pytest
import torch

from lebm_core import EBMPrior, GaussianPrior, LatentEBM
from lebm_core.errors import UsageError
from lebm_core.sequences.decoder import SequenceDecoder

VOCABULARY, LENGTH, N = 6, 5, 4000
BEGINNING = [4, 5]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def model() -> LatentEBM:
    torch.manual_seed(1)
    decoder = SequenceDecoder(
        1, VOCABULARY, embed_dim=4, hidden=8, cell="gru", dropout=0.0, word_dropout=0.0,
        max_length=LENGTH,
    )  # fmt: skip
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.mul_(3)  # so that the code matters
    prior = EBMPrior(1, {"hidden": [8]})
    torch.nn.init.normal_(list(prior.parameters())[-2], std=0.5)
    return LatentEBM(prior, decoder).eval()


def expected(model: LatentEBM, seen: float = 1.0) -> torch.Tensor:
    """p(third token | the first two), (V,): the code integrated out on a grid.

    With seen = 0 the code is one of the prior: the beginning says nothing of it.
    """
    z = torch.linspace(-6, 6, 2001)[:, None]
    x = torch.tensor([BEGINNING]).expand(len(z), -1)
    with torch.no_grad():
        log_weight = seen * model.decoder.likelihood(x)(z) + model.prior.log_prob(z)
        state = None
        for token in (model.decoder.bos, *BEGINNING):
            given = torch.full((len(z),), token)
            logits, state = model.decoder.next_logits(given, state, z)
    logits[:, [model.decoder.pad, model.decoder.bos]] = -math.inf  # no token of a sample
    return (log_weight.softmax(0)[:, None] * logits.softmax(-1)).sum(0)


def test_it_goes_on_as_the_posterior_of_its_beginning_says(model: LatentEBM) -> None:
    x = torch.tensor([[*BEGINNING, 2]]).expand(N, -1)
    done = model.complete(x, x != 2, steps=300, step_size=0.4, generator=seeded())
    assert torch.equal(done[:, :2], x[:, :2])
    p = expected(model)
    found = torch.bincount(done[:, 2], minlength=VOCABULARY) / N
    assert bool(((found - p).abs() < 5 * (p * (1 - p) / N).sqrt() + 0.01).all())
    assert float((expected(model, seen=0) - p).abs().max()) > 0.05


def test_beginnings_may_differ_in_length(model: LatentEBM) -> None:
    x = torch.tensor([[4, 5, 3, 2], [5, 2, 0, 0]])
    done = model.complete(x, (x != 2) & (x != 0), steps=2, generator=seeded())
    assert done[0, :3].tolist() == [4, 5, 3]
    assert done[1, 0] == 5
    plain = LatentEBM(GaussianPrior(0), SequenceDecoder(0, VOCABULARY, max_length=LENGTH)).eval()
    assert plain.complete(x, (x != 2) & (x != 0))[:, 0].tolist() == [4, 5]


def test_a_beginning_longer_than_any_sequence_is_refused_and_not_cut(model: LatentEBM) -> None:
    x = torch.full((1, LENGTH + 1), 4)
    with pytest.raises(UsageError, match=f"of {LENGTH + 1} tokens .* have {LENGTH} at most"):
        model.complete(x, x != 2)
    done = model.complete(x[:, 1:], x[:, 1:] != 2, steps=2, generator=seeded())
    assert torch.equal(done, x[:, 1:])


@pytest.mark.parametrize("known", [[False, True, True], [True, False, True], [False] * 3])
def test_what_is_no_beginning_is_refused(model: LatentEBM, known: list[bool]) -> None:
    with pytest.raises(UsageError, match="goes on from the beginning of a sequence"):
        model.complete(torch.tensor([[4, 5, 2]]), torch.tensor([known]))
