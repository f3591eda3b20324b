"""Virtual adversarial and consistency losses of p(y | x)."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from lebm_core import (
    Batch,
    CoupledPrior,
    LatentEBM,
    SequenceDecoder,
    SequenceEncoder,
    ShortRun,
)
from lebm_core.base.randomness import normal_like
from lebm_core.errors import UsageError
from lebm_core.learning.consistency import Seen, consistency_loss, vat_loss
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 3
ENERGY = {"hidden": [16]}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def examples() -> Tensor:
    """200 of four features, the first far from 0."""
    x = torch.randn(200, 4, generator=seeded())
    x[:, 0] = 3.0 * (2 * (torch.arange(200) % 2) - 1)
    return x


def toy(encoder: bool = True) -> LatentEBM:
    torch.manual_seed(0)
    prior = CoupledPrior(D, 2, ENERGY)
    q = TabularEncoder(D, 4, (16,)) if encoder else None
    return LatentEBM(prior, TabularDecoder(D, 4, (16,)), q, None if encoder else ShortRun())


def test_the_worst_direction_is_worse_than_any_other() -> None:
    model = toy()
    x = examples()
    found = float(vat_loss(model, Batch(x), 0.3, seeded()).detach())
    noise = torch.zeros(len(x), D)
    generator = torch.Generator().manual_seed(1)

    def log_p(at: Tensor) -> Tensor:
        q = model.encoder(at)  # type: ignore[misc]
        return model.prior.logits(q.mean + q.stddev * noise).log_softmax(-1)  # type: ignore[operator]

    with torch.no_grad():
        there = log_p(x)
        others = []
        for _ in range(20):
            r = torch.randn(x.shape, generator=generator)
            r = 0.3 * math.sqrt(4) * r / r.norm(dim=1, keepdim=True)
            others.append(float((there.exp() * (there - log_p(x + r))).sum(1).mean()))
    assert found > max(others)
    assert all(p.requires_grad for p in model.parameters())


def test_only_what_is_observed_is_moved() -> None:
    torch.manual_seed(0)
    model = LatentEBM(
        CoupledPrior(D, 2, ENERGY), TabularDecoder(D, 4), TabularEncoder(D, 4, (16,), missing=True)
    )
    x = examples()[:50]
    x[:, 2] = torch.nan
    x[0] = torch.nan  # of this row nothing can be moved
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))  # type: ignore[union-attr]
    found = vat_loss(model, Batch(x), 0.5, seeded())
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) > 0
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    assert all(torch.equal(each.isnan(), x.isnan()) for each in seen)
    moved = (seen[-1] - x)[1:].nan_to_num()
    length = 0.5 * math.sqrt(3)  # of three observed columns
    torch.testing.assert_close(moved.norm(dim=1), torch.full((49,), length))


def test_the_whole_teaches_the_part() -> None:
    model, x = toy(), examples()
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))  # type: ignore[union-attr]
    found = consistency_loss(model, Batch(x), 0.25, seeded())
    whole, part = seen
    torch.testing.assert_close(whole, x)
    shown = part != 0
    torch.testing.assert_close(part, x * shown)
    # 800 entries, each hidden with chance 1/4: four standard deviations are 0.06.
    assert abs(float(shown.float().mean()) - 0.75) < 0.06
    noise = torch.randn(len(x), D, generator=seeded())

    def log_p(at: Tensor) -> Tensor:
        q = model.encoder(at)  # type: ignore[misc]
        return model.prior.logits(q.mean + q.stddev * noise).log_softmax(-1)  # type: ignore[operator]

    there = log_p(x).detach()
    expected = (there.exp() * (there - log_p(x * shown))).sum(1).mean()
    torch.testing.assert_close(found, expected)
    weights = list(model.prior.parameters())
    for one, other in zip(
        torch.autograd.grad(found, weights), torch.autograd.grad(expected, weights), strict=True
    ):
        torch.testing.assert_close(one, other)
    alike = consistency_loss(model, Batch(x), 0.0, seeded())
    assert float(alike.detach()) == pytest.approx(0, abs=1e-6)


def test_of_a_text_whole_words_are_hidden() -> None:
    torch.manual_seed(0)
    encoder = SequenceEncoder(D, 20, embed_dim=6, hidden=5, dropout=0.0)
    model = LatentEBM(CoupledPrior(D, 2, ENERGY), SequenceDecoder(D, 20, hidden=8), encoder)
    seen: list[Tensor] = []
    encoder.left.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    x = torch.randint(3, 20, (100, 8), generator=seeded())
    consistency_loss(model, Batch(x), 0.5, torch.Generator().manual_seed(1))
    whole, part = seen
    kept = (part == whole).all(-1)
    assert bool(((part == 0).all(-1) | kept).all())
    # Of 800 words half are hidden: four standard deviations are 0.07.
    assert abs(float(kept.float().mean()) - 0.5) < 0.07


def test_what_cannot_be_smooth_says_so() -> None:
    with pytest.raises(UsageError, match="real numbers"):
        vat_loss(toy(), Batch(torch.ones(3, 4, dtype=torch.long)), 0.1, None)
    with pytest.raises(UsageError, match="symbols.consistency needs examples of real numbers"):
        consistency_loss(toy(), Batch(torch.ones(3, 4, dtype=torch.long)), 0.1, None)
    with pytest.raises(UsageError, match="learning.symbols.vat needs an encoder"):
        vat_loss(toy(encoder=False), Batch(torch.ones(3, 4)), 0.1, None)


class Embedding(TabularEncoder):
    """Sees x ten times as large, in a space of its own; both ways of moving it are kept."""

    size = 10.0

    def embed(self, x: Tensor) -> Tensor:
        return self.size * x

    def from_embedded(self, embedded: Tensor, x: Tensor, context: Tensor | None = None) -> Any:
        self.moved = (embedded - self.embed(x)).detach()
        return super().forward(embedded / self.size)


def test_an_embedding_is_moved_by_a_share_of_an_average_word() -> None:
    torch.manual_seed(0)
    encoder = Embedding(D, 4, (16,))
    model = LatentEBM(CoupledPrior(D, 2, ENERGY), TabularDecoder(D, 4, (16,)), encoder)
    x = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 1.0]])  # words of 3, 4 and of 1
    found = []
    for size in (10.0, 1000.0):
        encoder.size = size
        generator = seeded()
        found.append(float(vat_loss(model, Batch(x), 0.3, generator).detach()))
        expected = 0.3 * size * torch.tensor([math.sqrt((3**2 + 4**2) / 2), 1.0])
        torch.testing.assert_close(encoder.moved.norm(dim=1), expected, rtol=1e-3, atol=1e-3)
    assert found[0] == pytest.approx(found[1], rel=0.05)  # growing it is no way out


def test_words_in_order_are_smoothed_through_their_embeddings() -> None:
    torch.manual_seed(0)
    encoder = SequenceEncoder(D, 9, embed_dim=6, hidden=5, dropout=0.5)
    model = LatentEBM(
        CoupledPrior(D, 2, ENERGY), SequenceDecoder(D, 9, embed_dim=6, hidden=5), encoder
    )
    x = torch.tensor([[4, 5, 6, 2, 0, 0], [7, 2, 0, 0, 0, 0]])
    none = float(vat_loss(model, Batch(x), 0.0, seeded()).detach())
    loss = vat_loss(model, Batch(x), 5.0, seeded())
    loss.backward()
    assert none == pytest.approx(0, abs=1e-6)  # one mask of dropout on both sides
    assert float(loss.detach()) > 1e-4
    moved = encoder.embedding.weight.grad
    assert moved is not None and bool((moved[0] == 0).all()) and bool((moved[4] != 0).any())


def test_a_batch_that_is_encoded_already_gives_the_same_losses() -> None:
    """The numbers of a batch encoded anew, one pass of encoder and of prior less for each loss."""
    model, x = toy(), torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    encoder = model.need_encoder("this test")
    passes: list[int] = []
    encoder.register_forward_hook(lambda *_: passes.append(1))
    prior = cast(CoupledPrior, model.prior)
    prior.tilts[0].register_forward_hook(lambda *_: passes.append(1))
    embedded, noise = encoder.embed(x), normal_like(torch.zeros(6, model.latent_dim), seeded())
    q = encoder.from_embedded(embedded, x)
    seen = Seen(embedded, noise, prior.logits(q.mean + q.stddev * noise))
    for loss, passes_anew in ((vat_loss, 6), (consistency_loss, 4)):
        found, counts = [], []
        for given in (None, seen):
            passes.clear()
            generator = seeded()
            if given is not None:  # the rule has drawn the code's noise already
                normal_like(noise, generator)
            found.append(loss(model, Batch(x), 0.3, generator, given).detach())
            counts.append(len(passes))
        torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
        assert counts == [passes_anew, passes_anew - 2]
