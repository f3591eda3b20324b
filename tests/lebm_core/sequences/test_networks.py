"""The sequence decoder and encoder: exactness of the hoisted chains, lengths, sampling."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lebm_core import (
    Batch,
    Dataset,
    GaussianPrior,
    LatentEBM,
    SequenceDecoder,
    SequenceEncoder,
)
from lebm_core.base.modules import frozen
from lebm_core.errors import UsageError
from lebm_core.sequences.token_nll import fixed_vocabulary, token_nll

CELLS = ("lstm", "gru", "transformer")
X = torch.tensor([[5, 6, 7, 8, 2], [9, 4, 2, 0, 0], [3, 3, 3, 2, 0]])


def decoder(cell: str, **options: object) -> SequenceDecoder:
    torch.manual_seed(0)
    made = SequenceDecoder(
        3, 12, cell=cell, embed_dim=8, hidden=16, dropout=0.3, half=False, **options
    )  # type: ignore[arg-type]
    return made.eval()


@pytest.mark.parametrize("cell", CELLS)
def test_chain_path_equals_the_plain_path(cell: str) -> None:
    model = decoder(cell)
    z = torch.randn(3, 3, requires_grad=True)
    plain = model.likelihood(X)(z)
    (slope,) = torch.autograd.grad(plain.sum(), z)
    with frozen(model):
        hoisted = model.likelihood(X)(z)
        (hoisted_slope,) = torch.autograd.grad(hoisted.sum(), z)
    assert torch.allclose(plain, hoisted, atol=1e-5)
    assert torch.allclose(slope, hoisted_slope, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_value_is_the_sum_of_stepwise_log_probabilities(cell: str) -> None:
    model, z = decoder(cell), torch.randn(3, 3)
    expected, state = torch.zeros(3), None
    token, alive = torch.ones(3, dtype=torch.long), torch.ones(3)
    with torch.no_grad():
        for t in range(X.shape[1]):
            logits, state = model.next_logits(token, state, z)
            token = X[:, t]
            expected += alive * logits.log_softmax(-1).gather(1, token[:, None]).squeeze(1)
            alive = alive * (token != 2)
        assert torch.allclose(model(z).log_prob(X), expected, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("chain", [False, True])
def test_several_codes_for_each_sequence(cell: str, chain: bool) -> None:
    model, z = decoder(cell), torch.randn(6, 3)
    expected = model.likelihood(X.repeat_interleave(2, 0))(z)
    if chain:
        with frozen(model):
            found = model.likelihood(X)(z)
    else:
        found = model.likelihood(X)(z)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 2])
def test_nothing_is_dropped_in_evaluation_and_the_mode_stays(layers: int) -> None:
    """cuDNN differentiates in training mode alone; between layers that would drop something."""
    model, z = decoder("lstm", layers=layers), torch.randn(3, 3, requires_grad=True)
    with torch.no_grad():
        expected = model.likelihood(X)(z)
    found = model.likelihood(X)(z)
    (slope,) = torch.autograd.grad(found.sum(), z)
    assert torch.allclose(found, expected, atol=1e-5) and bool(slope.abs().sum() > 0)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing(cell: str) -> None:
    model, z = decoder(cell), torch.randn(3, 3)
    wider = torch.cat([X, X.new_zeros(3, 4)], dim=1)
    with torch.no_grad():
        assert torch.allclose(model(z).log_prob(X), model(z).log_prob(wider), atol=1e-5)
        alone = model(z[1:2]).log_prob(X[1:2, :3])
        assert torch.allclose(model(z).log_prob(X)[1:2], alone, atol=1e-5)


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    """Every sequence of up to 3 tokens over 3 words, and what is left without an end after 3."""
    torch.manual_seed(0)
    model = SequenceDecoder(2, 5, embed_dim=4, hidden=8).eval()
    z = torch.randn(1, 2)
    total = 0.0
    with torch.no_grad():
        for length in range(4):
            for words in itertools.product((0, 1, 3, 4), repeat=length):
                if 0 in words:
                    continue  # padding is no word; its mass is counted below
                total += float(model(z).log_prob(torch.tensor([[*words, 2]])).exp())
        state, mass = None, 0.0
        paths = [((), None, 1, 1.0)]
        for _ in range(4):
            later = []
            for words, state, token, p in paths:
                logits, after = model.next_logits(torch.tensor([token]), state, z)
                probability = logits.softmax(-1)[0]
                mass += p * float(probability[0])
                for w in (1, 3, 4):
                    later.append(((*words, w), after, w, p * float(probability[w])))
            paths = later
    assert total + mass + sum(p for *_, p in paths) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_samples_follow_the_model(cell: str) -> None:
    """The first token's frequencies against its probabilities."""
    model = decoder(cell)
    n = 20_000
    z = torch.randn(1, 3).expand(n, -1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        logits, _ = model.next_logits(torch.ones(1, dtype=torch.long), None, z[:1])
    logits[:, :2] = -torch.inf
    p = logits.softmax(-1)[0]
    x = model(z).sample(generator=generator, max_length=2)
    found = torch.bincount(x[:, 0], minlength=12) / n
    assert float(((found - p).abs() - 4.5 * (p * (1 - p) / n).sqrt()).max()) < 1e-6
    assert torch.equal(x, model(z).sample(generator=generator.manual_seed(0), max_length=2))


def test_samples_end_at_eos_and_pad_after() -> None:
    model = decoder("lstm")
    x = model(torch.randn(200, 3)).sample(generator=torch.Generator().manual_seed(0))
    ended = (x == 2).long().cumsum(1) - (x == 2).long() > 0
    assert bool((x[ended] == 0).all())
    assert not bool(((x == 1) | ((x == 0) & ~ended)).any())


def test_greedy_is_the_mode_and_nucleus_of_almost_nothing_too() -> None:
    model, z = decoder("lstm"), torch.randn(5, 3)
    greedy = model(z).mode
    tiny = model(z).sample(top_p=1e-6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(greedy, tiny)
    cold = model(z).sample(temperature=1e-3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(greedy, cold)
    with pytest.raises(UsageError, match=r"top_p in \(0, 1\]"):
        model(z).sample(top_p=0.0)


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_encoder_sees_each_sequence_up_to_its_own_end(pooling: str) -> None:
    torch.manual_seed(0)
    encoder = SequenceEncoder(3, 12, embed_dim=8, hidden=8, pooling=pooling).eval()
    with torch.no_grad():
        together = encoder(torch.cat([X, X.new_zeros(3, 3)], 1)).mean
        for i, length in enumerate((5, 3, 4)):
            assert torch.allclose(encoder(X[i : i + 1, :length]).mean[0], together[i], atol=1e-6)
        backwards = encoder(X[:1].flip(1)).mean  # and it is not a bag of words
        assert not torch.allclose(backwards[0], together[0], atol=1e-3)
        left, right = (
            net(encoder.embedding(x[None]))[0][0]
            for net, x in ((encoder.left, X[1, :3]), (encoder.right, X[1, :3].flip(0)))
        )
        states = torch.cat([left, right], dim=1)
        pooled = {"last": states[-1], "mean": states.mean(0), "max": states.amax(0)}[pooling]
        assert torch.allclose(encoder.output(pooled)[:3], together[1], atol=1e-6)
        encoder.output.weight[:, :8] = 0  # the right-to-left direction alone sees the first word
        first = encoder(torch.cat([X[:1, :1] + 1, X[:1, 1:]], dim=1)).mean
        assert not torch.allclose(first, encoder(X[:1]).mean, atol=1e-4)


def test_the_scale_of_an_embedding_is_the_length_of_its_average_token() -> None:
    encoder = SequenceEncoder(3, 12, embed_dim=8, hidden=8).eval()
    with torch.no_grad():
        embedded = encoder.embed(X)
        scale = encoder.embedded_scale(embedded, X)
    lengths = encoder.embedding.weight.detach().norm(dim=1)
    expected = [lengths[row[row != 0]].square().mean().sqrt() for row in X]
    assert scale.shape == (3, 1) and torch.allclose(scale[:, 0], torch.stack(expected))


def test_augmentation_hides_whole_tokens() -> None:
    encoder = SequenceEncoder(3, 12, embed_dim=8, hidden=8)
    embedded = torch.ones(200, 10, 8)
    part = encoder.augment(embedded, 0.3, torch.Generator().manual_seed(0))
    kept = part.mean(2)
    assert set(kept.unique().tolist()) == {0.0, 1.0}
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.04)  # sd 0.01
    assert torch.equal(part, encoder.augment(embedded, 0.3, torch.Generator().manual_seed(0)))
    assert torch.equal(encoder.augment(embedded, 0.0), embedded)


@pytest.mark.parametrize("half", [False, True])
def test_vocabulary_loss_is_cross_entropy(half: bool) -> None:
    torch.manual_seed(0)
    h = torch.randn(700, 16, requires_grad=True)  # more rows than one piece holds
    w, b = torch.randn(50, 16, requires_grad=True), torch.randn(50, requires_grad=True)
    y, scale = torch.randint(0, 50, (700,)), torch.rand(700)
    found = token_nll(h, w, b, y, half=half)
    expected = cross_entropy(h @ w.T + b, y, reduction="none")
    tolerance = 3e-2 if half else 1e-5
    assert float((found - expected).abs().max()) < (0.15 if half else 1e-4)
    for a, c in zip(
        torch.autograd.grad((found * scale).sum(), (h, w, b)),
        torch.autograd.grad((expected * scale).sum(), (h, w, b)),
        strict=True,
    ):
        assert float((a - c).norm() / c.norm()) < tolerance
    with torch.no_grad():
        assert torch.allclose(token_nll(h, w, b, y, half=half), found.detach())


def test_a_vocabulary_that_is_not_learned_has_the_same_loss() -> None:
    torch.manual_seed(0)
    h = torch.randn(700, 16, requires_grad=True)
    w, b, y = torch.randn(50, 16), torch.randn(50), torch.randint(0, 50, (700,))
    fixed = fixed_vocabulary(w, b)
    assert fixed is not None
    losses = (token_nll(h, w, b, y), token_nll(h, w, b, y, fixed=fixed))
    slopes = (torch.autograd.grad(loss.sum(), h)[0] for loss in losses)
    # The same roundings; what is summed in another order is a rounding of bfloat16 apart.
    for plain, other in (losses, slopes):
        torch.testing.assert_close(plain, other, rtol=2e-2, atol=5e-2)
    assert fixed_vocabulary(w.requires_grad_(), b) is None


def test_a_chain_in_bfloat16_follows_that_in_float32() -> None:
    model, z = decoder("lstm"), torch.randn(3, 3, requires_grad=True)
    half = decoder("lstm")
    half.use_half = torch.is_grad_enabled  # type: ignore[method-assign] # on every machine
    with frozen(model), frozen(half):
        values = [each.likelihood(X)(z) for each in (model, half)]
    slopes = [torch.autograd.grad(value.sum(), z)[0] for value in values]
    torch.testing.assert_close(*values, rtol=0.01, atol=0.05)
    assert float((slopes[0] - slopes[1]).norm() / slopes[0].norm()) < 0.05


def test_the_output_starts_at_the_frequencies_of_the_training_tokens() -> None:
    class Ids(Dataset):
        def length(self, split: str) -> int:
            return 3

        def batch(self, split: str, index: Tensor) -> Batch:
            return Batch(torch.tensor([[5, 5, 2], [6, 2, 0], [5, 2, 0]])[index])

        def write(self, x: object, path: Path) -> Path:
            return path

        def save(self, folder: Path) -> None: ...

        @classmethod
        def load(cls, folder: Path) -> Ids:
            return cls()

    decoder = SequenceDecoder(2, 8, embed_dim=4, hidden=4)
    decoder.initialise(Ids())
    counts = torch.tensor([0, 0, 3, 0, 0, 3, 1, 0]) + 0.5  # the padding is no token
    assert torch.allclose(decoder.output.bias.softmax(0), counts / counts.sum())


def test_errors_name_the_choice() -> None:
    with pytest.raises(UsageError, match='Did you mean "lstm"'):
        SequenceDecoder(2, 10, cell="ltsm")
    with pytest.raises(UsageError, match='"man": accepted are last, mean, max.*"mean"'):
        SequenceEncoder(2, 10, pooling="man")
    with pytest.raises(UsageError, match="vocabulary of 2"):
        SequenceDecoder(2, 2)


def test_an_empty_batch_and_a_model_without_z() -> None:
    model = decoder("lstm")
    assert model.likelihood(X[:0])(torch.zeros(0, 3)).shape == (0,)
    plain = SequenceDecoder(0, 12, cell="transformer", embed_dim=8, hidden=16).eval()
    whole = LatentEBM(GaussianPrior(0), plain)
    assert whole.posterior(X).shape == (3, 0)
    assert whole.score(X).total.shape == (3,)
    with pytest.raises(UsageError, match="-5"):
        SequenceDecoder(2, 10, pad=-5)
