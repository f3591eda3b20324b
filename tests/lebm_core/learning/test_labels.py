"""Which labels are kept, and the terms that classes add to the objective."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM, ShortRun, Symbols, TwoPart
from lebm_core.data.labels import Labelled, choose_labelled
from lebm_core.errors import UsageError
from lebm_core.latent.codes import codes_with_classes, likeliest
from lebm_core.learning.consistency import consistency_loss, vat_loss
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
    prior = CoupledPrior(D, n_classes, {"hidden": [16]})
    q = TabularEncoder(D, 4, (16,)) if encoder else None
    chain = None if encoder else ShortRun({"steps": 5, "step_size": 0.1})
    return LatentEBM(prior, TabularDecoder(D, 4, (16,)), q, chain)


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
    with pytest.raises(UsageError, match="No training example has a label"):
        Labelled(Rows(), torch.zeros(0, dtype=torch.long), 5)


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


def test_which_class_a_refitted_prior_learns_is_a_choice() -> None:
    with pytest.raises(UsageError, match='learning.refit.classes = "hard" is unknown; .* soft'):
        TwoPart(refit={"classes": "hard"})


def test_labels_that_are_hidden_are_not_used() -> None:
    data, model = Rows(), toy()
    rule = TwoPart({"kl_cycles": 0})
    rule.labelled = Labelled(data, torch.tensor([0, 1, 2, 3]), size=3)
    losses = []
    for flip in (False, True):
        y = 1 - data.y if flip else data.y
        generator = torch.Generator().manual_seed(0)
        outcome = rule(model, Batch(data.x[10:], y[10:]), generator=generator)
        losses.append(float(outcome.losses["labels"].detach()))
    assert losses[0] == losses[1] > 0
    data.y = 1 - data.y  # those of the labelled are
    generator = torch.Generator().manual_seed(0)
    outcome = rule(model, Batch(data.x[10:], None), generator=generator)
    assert float(outcome.losses["labels"].detach()) != losses[0]


@pytest.mark.parametrize("encoder", [True, False])
def test_a_few_labels_are_learned(encoder: bool) -> None:
    data, model = Rows(), toy(encoder=encoder)
    decoder = {"kl_cycles": 0} if encoder else "mcmc"
    rule = TwoPart(decoder, symbols={"weight": 10.0})  # type: ignore[arg-type]
    rule.labelled = Labelled(data, torch.arange(10), size=10)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(60):
        optimiser.zero_grad()
        outcome = rule(model, Batch(data.x), generator=generator)
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
    rule = TwoPart(
        {"kl_cycles": 0}, symbols={"information": 10.0},  # type: ignore[arg-type]
        refit={"steps": 50, "rule": "density-ratio"},  # type: ignore[arg-type]
    )  # fmt: skip
    rule.prepare(model, data, seed=0)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        optimiser.zero_grad()
        outcome = rule(model, data.batch("train", torch.arange(200)), generator=generator)
        torch.stack(list(outcome.losses.values())).sum().backward()
        optimiser.step()
    assert "label_loss" not in outcome.metrics
    assert float(outcome.metrics["mutual_information"]) > 0.9 * math.log(2)
    rule.finish(model.eval(), data, generator, log=lambda line: None)  # type: ignore[arg-type]
    found = model.classify(data.x, generator=generator).argmax(1)
    right = float((found == data.y).float().mean())
    assert max(right, 1 - right) > 0.95


def test_information_rests_while_the_kl_does() -> None:
    """While the KL weight of a cycle is 0, codes learn to reconstruct x without a class term."""
    symbols = Symbols(information=10.0)
    cyclic = {"kl_cycles": 2, "kl_zero": 0.5, "encoder_tilt": 0.0}
    data, model = Rows(), toy()
    for progress, rests in ((0.1, True), (0.4, False), (0.6, True), (0.9, False)):
        outcome = TwoPart(cyclic, symbols=symbols)(model, Batch(data.x), progress=progress)
        wanted = 0.0 if rests else -10.0 * float(outcome.metrics["mutual_information"])
        assert float(outcome.losses["labels"].detach()) == pytest.approx(wanted)
    # A weight that is 0 throughout is no phase, nor is the first step of a rise.
    for no_phase in ({"kl_weight": 0.0}, {"kl_cycles": 1, "kl_rise": 0.5}):
        outcome = TwoPart(no_phase, symbols=symbols)(model, Batch(data.x), progress=0.0)
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
        symbols = Symbols(**{"weight": 0.0, **weights})  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(0)
        return float(symbol_terms(model, batch, logits, symbols, generator)[0].detach())

    information = float(mutual_information(logits).detach())
    wrong = float(torch.nn.functional.cross_entropy(logits, data.y).detach())
    generator = torch.Generator().manual_seed(0)
    vat = float(vat_loss(model, batch, 0.15, generator).detach())
    generator = torch.Generator().manual_seed(0)
    apart = float(consistency_loss(model, batch, 0.25, generator).detach())
    assert information > 0 and vat > 0 and apart > 0
    assert loss(information=3.0) == pytest.approx(-3 * information)
    assert loss(weight=2.0) == pytest.approx(2 * wrong)
    assert loss(vat=5.0) == pytest.approx(5 * vat)
    assert loss(consistency=4.0, masked=0.25) == pytest.approx(4 * apart)


def test_information_has_a_gradient_where_a_class_is_certain() -> None:
    logits = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    mutual_information(logits).backward()
    assert logits.grad is not None and bool(logits.grad.isfinite().all())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"symbols": {"labelled_batch": 0}}, "learning.symbols.labelled_batch = 0 is too small"),
        ({"symbols": {"vat": -1.0}}, "learning.symbols.vat = -1.0 is too small; use at least 0"),
        ({"symbols": {"masked": 1.0}}, "masked = 1.0 hides all of x; use a share below 1"),
        ({"decoder": "autoencoder"}, "learns no labels"),
        ({}, "prior.n_classes = 2 is less than the 3 classes of the data; use 3"),
    ],
)
def test_labels_that_would_be_ignored_are_refused(options: dict[str, Any], sentence: str) -> None:
    data = SimpleNamespace(sizes={"n_classes": 3})
    with pytest.raises(UsageError, match=sentence):
        TwoPart(**options).prepare(toy(), data, seed=0)  # type: ignore[arg-type]


def test_without_a_tilt_a_coupled_prior_only_classifies_codes() -> None:
    data, model = Rows(), toy()
    rule = TwoPart({"encoder_tilt": 0.0, "kl_cycles": 0}, "none")
    unlabelled = rule(model, Batch(data.x), generator=torch.Generator().manual_seed(0))
    loss = torch.stack(list(unlabelled.losses.values())).sum()
    still = torch.autograd.grad(loss, list(model.prior.parameters()), allow_unused=True)
    assert not any(g is not None and g.any() for g in still)
    labelled = rule(model, Batch(data.x, data.y), generator=torch.Generator().manual_seed(0))
    (moved, *_) = torch.autograd.grad(labelled.losses["labels"], list(model.prior.parameters()))
    assert moved.abs().max() > 0
    for wrong in ({"encoder_tilt": 1.0}, "mcmc"):
        with pytest.raises(UsageError, match='learning.prior.name = "none" needs'):
            TwoPart(wrong, "none")  # type: ignore[arg-type]
