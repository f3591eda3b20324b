"""A global code and local ones of a sequence: what each reaches, and that p(x | z) stays exact."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import GaussianPrior, LatentEBM, SequenceDecoder, ShortRun
from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Langevin
from lebm_core.errors import UsageError
from lebm_core.sequences.ladder import SequenceLadderDecoder, SequenceLadderEncoder

CELLS = ("lstm", "gru")
SEGMENTS, LENGTH, LOCAL, GLOBAL = 3, 2, 2, 4
D = GLOBAL + SEGMENTS * LOCAL
LAYOUT: dict[str, Any] = {"segments": SEGMENTS, "segment_length": LENGTH, "local_dim": LOCAL}
# Seven tokens: the last segment has three. Three tokens: the last segment is not reached.
X = torch.tensor([[5, 6, 7, 8, 3, 4, 2], [9, 4, 2, 0, 0, 0, 0], [3, 3, 3, 2, 0, 0, 0]])


def decoder(cell: str = "lstm", vocab_size: int = 12, **options: Any) -> SequenceLadderDecoder:
    torch.manual_seed(0)
    network: Any = {"cell": cell, "embed_dim": 8, "hidden": 16, "dropout": 0.3, "half": False}
    made = SequenceLadderDecoder(D, vocab_size, **{**LAYOUT, **options}, **network).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.mul_(2)  # so that the codes matter
        made.output.bias[[made.pad, made.bos]] = -1e4  # no token of a sample
    return made


def encoder(**options: Any) -> SequenceLadderEncoder:
    torch.manual_seed(0)
    return SequenceLadderEncoder(D, 12, **LAYOUT, embed_dim=8, hidden=5, **options).eval()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chain", [False, True])
def test_with_one_local_code_for_all_segments_it_is_the_flat_decoder(
    cell: str, chain: bool
) -> None:
    ladder = decoder(cell)
    flat = SequenceDecoder(GLOBAL + LOCAL, 12, cell=cell, embed_dim=8, hidden=16, half=False).eval()
    flat.load_state_dict(ladder.state_dict())
    z = torch.randn(3, GLOBAL + LOCAL, requires_grad=True)
    full = torch.cat([z[:, :GLOBAL], z[:, GLOBAL:].repeat(1, SEGMENTS)], dim=1)
    for model in (ladder, flat):
        model.requires_grad_(not chain)
    found, expected = ladder.likelihood(X)(full), flat.likelihood(X)(z)
    assert torch.allclose(found, expected, atol=1e-5)
    slopes = [torch.autograd.grad(value.sum(), z)[0] for value in (found, expected)]
    assert torch.allclose(*slopes, atol=1e-5) and bool((slopes[0].abs() > 1e-3).any())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("k", [1, 3])
def test_the_hoisted_chain_equals_the_plain_path(cell: str, k: int) -> None:
    model, z = decoder(cell), torch.randn(3 * k, D, requires_grad=True)
    plain = model.likelihood(X.repeat_interleave(k, 0))(z)
    (slope,) = torch.autograd.grad(plain.sum(), z)
    with frozen(model):
        hoisted = model.likelihood(X)(z)
        (hoisted_slope,) = torch.autograd.grad(hoisted.sum(), z)
    assert torch.allclose(plain, hoisted, atol=1e-5)
    assert torch.allclose(slope, hoisted_slope, atol=1e-5)


def test_a_local_code_says_nothing_of_the_tokens_before_its_segment() -> None:
    model, z = decoder(), torch.randn(1, D)
    with torch.no_grad():
        for segment in range(SEGMENTS):
            other = z.clone()
            first = GLOBAL + segment * LOCAL
            other[:, first : first + LOCAL] += 1
            beginnings = [X[:1, :t] for t in range(1, 8)]
            before, after = ([model(c).log_prob(x) for x in beginnings] for c in (z, other))
            same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
            assert same == [t <= segment * LENGTH for t in range(1, 8)]
        other = z.clone()
        other[:, 0] += 1
        assert not torch.equal(model(z).log_prob(X[:1, :1]), model(other).log_prob(X[:1, :1]))


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    """Every ended sequence of up to 4 tokens, and every one of 4 without an end: 3 segments."""
    model = decoder(vocab_size=5, segment_length=1)
    words = (2, 3, 4)
    rows = [
        [*head, last] + [0] * (3 - len(head))
        for n in range(4)
        for head in itertools.product(words[1:], repeat=n)
        for last in (words if n == 3 else words[:1])
    ]
    x = torch.tensor(rows)
    z = torch.randn(1, D).expand(len(x), -1)
    with torch.no_grad():
        p = model(z).log_prob(x).exp()
        assert float(p.sum()) == pytest.approx(1, abs=1e-5)
        n = 20_000
        drawn = model(z[:1].expand(n, -1)).sample(
            generator=torch.Generator().manual_seed(0), max_length=4
        )
    key = 5 ** torch.arange(4)
    found = ((drawn * key).sum(1)[:, None] == (x * key).sum(1)).float().mean(0)
    assert float(found.sum()) == pytest.approx(1)
    assert bool(((found - p).abs() < 4.5 * (p * (1 - p) / n).sqrt() + 1e-6).all())


def test_chains_leave_a_code_that_nothing_reached_at_the_prior() -> None:
    """In q it is N(0, I) too: the posterior under p0 does not know it."""
    model = LatentEBM(
        GaussianPrior(D), decoder(), inference=ShortRun(Langevin(steps=60, step_size=0.4))
    ).eval()
    x = X[1:2, :3].expand(1000, -1)  # two segments of three
    z = model.posterior(x, generator=torch.Generator().manual_seed(0))
    unreached = z[:, GLOBAL + 2 * LOCAL :]
    assert float(unreached.mean(0).abs().max()) < 0.14
    assert float((unreached.var(0) - 1).abs().max()) < 0.25
    assert float(z[:, : GLOBAL + 2 * LOCAL].mean(0).abs().max()) > 0.2
    x = X[:2]
    done = model.complete(x, x > 4, steps=2, generator=torch.Generator().manual_seed(0))
    assert done[:, 0].tolist() == [5, 9] and done[0, :4].tolist() == [5, 6, 7, 8]


def test_q_of_each_segment_is_of_its_own_tokens() -> None:
    model = encoder()
    with torch.no_grad():
        q = model(torch.cat([X, X.new_zeros(3, 3)], 1))
        for i, length in enumerate((7, 3, 4)):
            alone = model(X[i : i + 1, :length])
            assert torch.allclose(alone.mean[0], q.mean[i], atol=1e-6)
            embedded = model.embedding(X[i : i + 1, :length])
            left, right = model.left(embedded)[0][0], model.right(embedded.flip(1))[0][0].flip(0)
            states = torch.cat([left, right], dim=1)
            for k, part in enumerate((states[:2], states[2:4], states[4:])):
                mean, log_std = (
                    model.local(part.mean(0)) if len(part) else torch.zeros(2 * LOCAL)
                ).chunk(2)
                at = slice(GLOBAL + k * LOCAL, GLOBAL + (k + 1) * LOCAL)
                assert torch.allclose(q.mean[i, at], mean, atol=1e-5)
                assert torch.allclose(q.stddev[i, at], log_std.exp(), atol=1e-5)
            mean, log_std = model.output(torch.cat([left[-1], right[0]])).chunk(2)
            if model.pooling == "last":  # of each direction: the states after all tokens
                assert torch.allclose(q.mean[i, :GLOBAL], mean, atol=1e-5)
                assert torch.allclose(q.stddev[i, :GLOBAL], log_std.exp(), atol=1e-5)


def test_q_of_a_segment_without_tokens_is_the_standard_normal_and_learns_nothing() -> None:
    model = encoder()
    q = model(X[1:, :4])
    unreached = slice(GLOBAL + 2 * LOCAL, D)
    assert bool((q.mean[:, unreached] == 0).all() & (q.stddev[:, unreached] == 1).all())
    learnt = [model.local.weight, model.local.bias]
    lost = (q.mean[:, unreached] + q.stddev[:, unreached]).sum()
    assert all(float(g.abs().max()) == 0 for g in torch.autograd.grad(lost, learnt))


def test_refused_in_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"latent_dim = 6 leaves nothing .* use at least 7\."):
        SequenceLadderDecoder(6, 12, **LAYOUT)
    with pytest.raises(UsageError, match=r"encoder\.segments = 3 local codes"):
        SequenceLadderEncoder(6, 12, **LAYOUT)
    with pytest.raises(UsageError, match='"transformer": accepted are lstm, gru'):
        SequenceLadderDecoder(D, 12, **LAYOUT, cell="transformer")
    with pytest.raises(UsageError, match="segment_length"):
        SequenceLadderDecoder(D, 12, segments=1, segment_length=0)


def test_an_encoder_that_divides_z_otherwise_is_refused() -> None:
    other = SequenceLadderEncoder(D, 12, **{**LAYOUT, "segment_length": 7})
    with pytest.raises(UsageError, match=r"segment_length = 2 and encoder\.segment_length = 7"):
        LatentEBM(GaussianPrior(D), decoder(), other)
    LatentEBM(GaussianPrior(D), decoder(), encoder())


def test_the_layout_of_z() -> None:
    z: Tensor = torch.arange(float(D))[None]
    codes = decoder().codes(z)[0]
    assert codes.tolist() == [[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 6, 7], [0, 1, 2, 3, 8, 9]]


def test_no_codes_have_no_sequences() -> None:
    none = decoder()(torch.zeros(0, D)).sample(generator=torch.Generator().manual_seed(0))
    assert len(none) == 0
    assert decoder().likelihood(X[:0])(torch.zeros(0, D)).shape == (0,)
