"""Which labels are kept, and the terms that a symbol adds to the objective."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import (
    Batch,
    CoupledPrior,
    LatentEBM,
    Learning,
    LearningOptions,
    SequenceDecoder,
    SequenceEncoder,
    ShortRun,
)
from lebm_core.data.labels import Labelled, choose_labelled
from lebm_core.errors import UsageError
from lebm_core.latent.codes import codes_with_classes, likeliest
from lebm_core.learning.consistency import inconsistency, roughness
from lebm_core.learning.symbol import mutual_information, symbol_terms
from lebm_tabular.networks.perceptrons import TabularDecoder, TabularEncoder

D = 3


class Rows:
    """Four features; the class is the sign of the first."""

    def __init__(self, n: int = 200) -> None:
        generator = torch.Generator().manual_seed(0)
        self.y = torch.arange(n) % 2
        self.x = torch.randn(n, 4, generator=generator)
        self.x[:, 0] = 3.0 * (2 * self.y - 1)

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], self.y[index], rows=index)


def toy(n_classes: int = 2, encoder: bool = True) -> LatentEBM:
    torch.manual_seed(0)
    prior = CoupledPrior(D, n_classes, (16,))
    q = TabularEncoder(D, 4, (16,)) if encoder else None
    return LatentEBM(prior, TabularDecoder(D, 4, (16,)), q, None if encoder else ShortRun(5, 0.1))


def test_labels_are_kept_evenly_over_classes() -> None:
    y = torch.tensor([0] * 50 + [1] * 30 + [2] * 4 + [-1] * 20)
    rows = choose_labelled(y, 12, seed=3)
    assert torch.bincount(y[rows]).tolist() == [4, 4, 4] and len(rows.unique()) == 12
    # A class with fewer gives what it has; the others make up for it.
    assert torch.bincount(y[choose_labelled(y, 40, seed=3)]).tolist() == [18, 18, 4]
    torch.testing.assert_close(rows, choose_labelled(y, 12, seed=3))
    assert not torch.equal(rows, choose_labelled(y, 12, seed=4))
    torch.testing.assert_close(choose_labelled(y, 0, seed=0), torch.arange(84))
    for wrong in (2, 85):
        with pytest.raises(UsageError, match="3, one of each class, to 84"):
            choose_labelled(y, wrong, seed=0)


class Ordered(Rows):
    """The same with an order of its own."""

    def order(
        self, split: str, batch_size: int, generator: torch.Generator | None = None
    ) -> list[Tensor]:
        return list(torch.arange(len(self.y)).flip(0).split(batch_size))


def test_codes_come_with_the_class_that_may_be_known() -> None:
    data, model, known = Ordered(), toy(), torch.tensor([0, 7, 199])
    generator = torch.Generator().manual_seed(0)
    codes, p, none = codes_with_classes(model, data, 1000, 5, known, generator)  # type: ignore[arg-type]
    assert p is not None and none is None  # the data set has no context
    assert codes.shape == (1000, D) and p.shape == (1000, 2)
    torch.testing.assert_close(p.sum(1), torch.ones(1000))
    # Batches come as the data set orders them, 5 draws of each: 128 examples, then 72.
    assert p[0].tolist() == [0, 1] == p[128].tolist() and p[640 + 71].tolist() == [1, 0]
    certain = (p.max(1).values == 1).sum()
    assert int(certain) == 5 * len(known)  # all else is the prior's own guess
    with torch.no_grad():
        own = model.prior.logits(codes[:640]).softmax(1).view(5, 128, 2).mean(0)  # type: ignore[operator]
    torch.testing.assert_close(p[1:128], own[1:])
    assert set(likeliest(p).unique().tolist()) == {0.0, 1.0}
    everything = codes_with_classes(model, data, 1000, 1, None, generator)[1]  # type: ignore[arg-type]
    torch.testing.assert_close(everything.argmax(1), data.y.flip(0))


def test_which_class_a_finished_prior_learns_is_a_choice() -> None:
    with pytest.raises(UsageError, match='Unknown learning.finish_classes "hard": .* soft'):
        Learning(LearningOptions(finish_classes="hard"))


def test_labels_that_are_hidden_are_not_used() -> None:
    data, model = Rows(), toy()
    learning = Learning(LearningOptions(kl_cycles=0))
    learning.labelled = Labelled(data, torch.tensor([0, 1, 2, 3]), size=3)
    losses = []
    for flip in (False, True):
        y = 1 - data.y if flip else data.y
        generator = torch.Generator().manual_seed(0)
        outcome = learning(model, Batch(data.x[10:], y[10:]), generator=generator)
        losses.append(float(outcome.losses["labels"].detach()))
    assert losses[0] == losses[1] > 0
    data.y = 1 - data.y  # those of the labelled are
    generator = torch.Generator().manual_seed(0)
    outcome = learning(model, Batch(data.x[10:], None), generator=generator)
    assert float(outcome.losses["labels"].detach()) != losses[0]


@pytest.mark.parametrize("encoder", [True, False])
def test_a_few_labels_are_learned(encoder: bool) -> None:
    data, model = Rows(), toy(encoder=encoder)
    rule = "variational" if encoder else "mcmc"
    learning = Learning(LearningOptions(decoder=rule, kl_cycles=0, label_weight=10.0))
    learning.labelled = Labelled(data, torch.arange(10), size=10)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        optimiser.zero_grad()
        outcome = learning(model, Batch(data.x), generator=generator)
        torch.stack(list(outcome.losses.values())).sum().backward()
        optimiser.step()
    found = model.eval().classify(data.x, generator=generator).argmax(1)
    assert float((found == data.y).float().mean()) > 0.9


class Unlabelled(Ordered):
    """The same, and nothing says what the classes are."""

    sizes: dict[str, Any] = {}

    def batch(self, split: str, index: Tensor) -> Batch:
        return Batch(self.x[index], rows=index)

    def length(self, split: str) -> int:
        return len(self.x)


def test_classes_are_found_without_any_label() -> None:
    """By information alone: the two heaps of the first feature, whichever is called 0."""
    data, model = Unlabelled(), toy()
    options = LearningOptions(
        kl_cycles=0, mutual_information=10.0, finish_steps=50, finish_tilt="density-ratio"
    )
    learning = Learning(options)
    learning.prepare(model, data, seed=0)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        optimiser.zero_grad()
        outcome = learning(model, data.batch("train", torch.arange(200)), generator=generator)
        torch.stack(list(outcome.losses.values())).sum().backward()
        optimiser.step()
    assert "label_loss" not in outcome.metrics
    assert float(outcome.metrics["mutual_information"]) > 0.9 * math.log(2)
    learning.finish(model.eval(), data, generator, log=lambda line: None)  # type: ignore[arg-type]
    found = model.classify(data.x, generator=generator).argmax(1)
    right = float((found == data.y).float().mean())
    assert max(right, 1 - right) > 0.95


def test_information_rests_while_the_kl_does() -> None:
    """In the phase of a cycle without a KL codes learn what x is like, and classes ask nothing."""
    options = LearningOptions(mutual_information=10.0, kl_cycles=2, kl_zero=0.5, encoder_tilt=0.0)
    data, model = Rows(), toy()
    for progress, rests in ((0.1, True), (0.4, False), (0.6, True), (0.9, False)):
        batch = Batch(data.x)
        outcome = Learning(options)(model, batch, progress=progress)
        wanted = 0.0 if rests else -10.0 * float(outcome.metrics["mutual_information"])
        assert float(outcome.losses["labels"].detach()) == pytest.approx(wanted)
    # A weight that is 0 throughout is no phase, nor is the first step of a rise.
    for no_phase in ({"kl_weight": 0.0}, {"kl_cycles": 1, "kl_rise": 0.5}):
        options = LearningOptions(mutual_information=10.0, **no_phase)
        outcome = Learning(options)(model, batch, progress=0.0)
        assert float(outcome.losses["labels"].detach()) < 0


def test_information_by_hand() -> None:
    sure = torch.tensor([[50.0, 0.0], [0.0, 50.0]])
    assert float(mutual_information(sure)) == pytest.approx(math.log(2), rel=1e-5)
    assert float(mutual_information(sure[:1].expand(2, 2))) == pytest.approx(0, abs=1e-6)
    assert float(mutual_information(torch.zeros(5, 3))) == pytest.approx(0, abs=1e-6)


def test_each_term_has_its_sign_and_weight() -> None:
    model, data = toy(), Rows()
    batch = Batch(data.x, data.y)
    logits = model.prior.logits(torch.randn(200, D, generator=torch.Generator().manual_seed(0)))  # type: ignore[operator]

    def loss(**weights: float) -> float:
        options = LearningOptions(**{"label_weight": 0.0, **weights})  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(0)
        return float(symbol_terms(model, batch, logits, options, generator)[0].detach())

    information = float(mutual_information(logits).detach())
    wrong = float(torch.nn.functional.cross_entropy(logits, data.y).detach())
    generator = torch.Generator().manual_seed(0)
    rough = float(roughness(model, batch, 0.15, generator).detach())
    generator = torch.Generator().manual_seed(0)
    apart = float(inconsistency(model, batch, 0.25, generator).detach())
    assert information > 0 and rough > 0 and apart > 0
    assert loss(mutual_information=3.0) == pytest.approx(-3 * information)
    assert loss(label_weight=2.0) == pytest.approx(2 * wrong)
    assert loss(smoothness=5.0) == pytest.approx(5 * rough)
    assert loss(consistency=4.0, consistency_hidden=0.25) == pytest.approx(4 * apart)


def test_information_has_a_gradient_where_a_class_is_certain() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    mutual_information(logits).backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labelled_batch": 0}, "learning.labelled_batch = 0 must be at least 1"),
        ({"smoothness": -1.0}, "learning.smoothness = -1.0 must be at least 0"),
        ({"consistency_hidden": 1.0}, "consistency_hidden = 1.0 must be below 1"),
        ({"decoder": "autoencoder"}, "learns no labels"),
        ({}, "has 3 classes, the prior 2"),
    ],
)
def test_labels_that_would_be_ignored_are_refused(options: dict[str, Any], said: str) -> None:
    data = SimpleNamespace(sizes={"n_classes": 3})
    with pytest.raises(UsageError, match=said):
        Learning(LearningOptions(**options)).prepare(toy(), data, seed=0)  # type: ignore[arg-type]


def test_the_worst_direction_is_worse_than_any_other() -> None:
    model = toy()
    x = Rows().x
    found = float(roughness(model, Batch(x), 0.3, torch.Generator().manual_seed(0)))
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
        CoupledPrior(D, 2, (16,)), TabularDecoder(D, 4), TabularEncoder(D, 4, (16,), missing=True)
    )
    x = Rows().x[:50]
    x[:, 2] = torch.nan
    x[0] = torch.nan  # of this row nothing can be moved
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))  # type: ignore[union-attr]
    found = roughness(model, Batch(x), 0.5, torch.Generator().manual_seed(0))
    found.backward()  # type: ignore[no-untyped-call]
    assert float(found.detach()) > 0
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    assert all(torch.equal(each.isnan(), x.isnan()) for each in seen)
    moved = (seen[-1] - x)[1:].nan_to_num()
    length = 0.5 * math.sqrt(3)  # of three observed columns
    torch.testing.assert_close(moved.norm(dim=1), torch.full((49,), length))


def test_the_whole_teaches_the_part() -> None:
    model, x = toy(), Rows().x
    seen: list[Tensor] = []
    model.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))  # type: ignore[union-attr]
    found = inconsistency(model, Batch(x), 0.25, torch.Generator().manual_seed(0))
    whole, part = seen
    torch.testing.assert_close(whole, x)
    shown = part != 0
    torch.testing.assert_close(part, x * shown)
    # 800 entries, each hidden with chance 1/4: four standard deviations are 0.06.
    assert abs(float(shown.float().mean()) - 0.75) < 0.06
    noise = torch.randn(len(x), D, generator=torch.Generator().manual_seed(0))

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
    alike = inconsistency(model, Batch(x), 0.0, torch.Generator().manual_seed(0))
    assert float(alike.detach()) == pytest.approx(0, abs=1e-6)


def test_of_a_text_whole_words_are_hidden() -> None:
    torch.manual_seed(0)
    encoder = SequenceEncoder(D, 20, embed_dim=6, hidden=5, dropout=0.0)
    model = LatentEBM(CoupledPrior(D, 2, (16,)), SequenceDecoder(D, 20, hidden=8), encoder)
    seen: list[Tensor] = []
    encoder.left.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    x = torch.randint(3, 20, (100, 8), generator=torch.Generator().manual_seed(0))
    inconsistency(model, Batch(x), 0.5, torch.Generator().manual_seed(1))
    whole, part = seen
    kept = (part == whole).all(-1)
    assert bool(((part == 0).all(-1) | kept).all())
    # Of 800 words half are hidden: four standard deviations are 0.07.
    assert abs(float(kept.float().mean()) - 0.5) < 0.07


def test_what_cannot_be_smooth_says_so() -> None:
    with pytest.raises(UsageError, match="real numbers"):
        roughness(toy(), Batch(torch.ones(3, 4, dtype=torch.long)), 0.1, None)
    with pytest.raises(UsageError, match="consistency needs examples of real numbers"):
        inconsistency(toy(), Batch(torch.ones(3, 4, dtype=torch.long)), 0.1, None)
    with pytest.raises(UsageError, match="smoothness needs an encoder"):
        roughness(toy(encoder=False), Batch(torch.ones(3, 4)), 0.1, None)
    with pytest.raises(UsageError, match="No training example has a label"):
        Labelled(Rows(), torch.zeros(0, dtype=torch.long), 5)


def test_without_a_tilt_a_coupled_prior_only_classifies_codes() -> None:
    data, model = Rows(), toy()
    learning = Learning(LearningOptions(tilt="none", encoder_tilt=0.0, kl_cycles=0))
    unlabelled = learning(model, Batch(data.x), generator=torch.Generator().manual_seed(0))
    loss = torch.stack(list(unlabelled.losses.values())).sum()
    still = torch.autograd.grad(loss, list(model.prior.parameters()), allow_unused=True)
    assert not any(g is not None and g.any() for g in still)
    labelled = learning(model, Batch(data.x, data.y), generator=torch.Generator().manual_seed(0))
    (moved, *_) = torch.autograd.grad(labelled.losses["labels"], list(model.prior.parameters()))
    assert moved.abs().max() > 0
    for wrong in ({"encoder_tilt": 1.0}, {"encoder_tilt": 0.0, "decoder": "mcmc"}):
        with pytest.raises(UsageError, match='learning.tilt = "none" needs'):
            Learning(LearningOptions(tilt="none", **wrong))  # type: ignore[arg-type]


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
    model = LatentEBM(CoupledPrior(D, 2, (16,)), TabularDecoder(D, 4, (16,)), encoder)
    x = torch.tensor([[3.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 1.0]])  # words of 3, 4 and of 1
    found = []
    for size in (10.0, 1000.0):
        encoder.size = size
        generator = torch.Generator().manual_seed(0)
        found.append(float(roughness(model, Batch(x), 0.3, generator).detach()))
        expected = 0.3 * size * torch.tensor([math.sqrt((3**2 + 4**2) / 2), 1.0])
        torch.testing.assert_close(encoder.moved.norm(dim=1), expected, rtol=1e-3, atol=1e-3)
    assert found[0] == pytest.approx(found[1], rel=0.05)  # growing it is no way out


def test_words_in_order_are_smoothed_through_their_embeddings() -> None:
    from lebm_core.sequences.decoder import SequenceDecoder
    from lebm_core.sequences.encoder import SequenceEncoder

    torch.manual_seed(0)
    encoder = SequenceEncoder(D, 9, embed_dim=6, hidden=5, dropout=0.5)
    model = LatentEBM(
        CoupledPrior(D, 2, (16,)), SequenceDecoder(D, 9, embed_dim=6, hidden=5), encoder
    )
    x = torch.tensor([[4, 5, 6, 2, 0, 0], [7, 2, 0, 0, 0, 0]])
    none = float(roughness(model, Batch(x), 0.0, torch.Generator().manual_seed(0)).detach())
    loss = roughness(model, Batch(x), 5.0, torch.Generator().manual_seed(0))
    loss.backward()
    assert none == pytest.approx(0, abs=1e-6)  # one mask of dropout on both sides
    assert float(loss.detach()) > 1e-4
    moved = encoder.embedding.weight.grad
    assert moved is not None and bool((moved[0] == 0).all()) and bool((moved[4] != 0).any())


def test_a_finish_that_knows_no_context_is_refused_before_training() -> None:
    prior = CoupledPrior(D, 2, (8,), context_dim=1)
    model = LatentEBM(prior, TabularDecoder(D, 4, (8,)), TabularEncoder(D, 4, (8,)))
    learning = Learning(LearningOptions(finish_steps=10))
    data = SimpleNamespace(sizes={"n_classes": 2})
    with pytest.raises(UsageError, match='finish_tilt = "persistent" knows no context: .* density'):
        learning.prepare(model, data, 0)  # type: ignore[arg-type]
    options = LearningOptions(finish_steps=10, finish_tilt="density-ratio")
    Learning(options).prepare(model, data, 0)  # type: ignore[arg-type]
