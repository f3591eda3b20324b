"""Bags of words: the likelihood by hand, the background, lengths, and a classifier of documents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from torch import Tensor

from lebm_core import Batch, CoupledPrior, LatentEBM, LatentEBMClassifier
from lebm_core.data.adapters import SparseRows
from lebm_core.errors import UsageError
from lebm_core.learning.consistency import vat_loss
from lebm_tabular.data.adapters import BagAdapter
from lebm_tabular.networks.bag import BagDecoder, BagEncoder

D, V = 2, 5
X = torch.tensor([[2.0, 0.0, 1.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0, 1.0], [0.0] * 5])


class Documents:
    """Three documents of 3, 5 and 0 words."""

    def __init__(self, x: Tensor = X) -> None:
        self.x = x

    def batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        for some in self.x.split(batch_size):
            yield Batch(some)


def made(**options: Any) -> BagDecoder:
    torch.manual_seed(0)
    decoder = BagDecoder(D, V, **options)
    decoder.initialise(Documents())
    return decoder


def test_the_likelihood_by_hand() -> None:
    decoder, z = made(), torch.randn(3, D)
    with torch.no_grad():
        scores = decoder.net(z) + decoder.background
        found, other = decoder(z).log_prob(X), decoder.likelihood(X)(z)
    p = scores.softmax(-1)
    assert float(found[0]) == pytest.approx(2 * math.log(p[0, 0]) + math.log(p[0, 2]), rel=1e-5)
    assert float(found[2]) == 0
    torch.testing.assert_close(found, other)
    # A multinomial has beside it the number of orders that give the same counts.
    multinomial = torch.distributions.Multinomial(5, logits=scores[1]).log_prob(X[1])
    assert float(multinomial - found[1]) == pytest.approx(math.log(5), rel=1e-4)


def test_several_codes_of_each_document() -> None:
    decoder, z = made(hidden=(8,)), torch.randn(6, D)
    each = torch.stack([decoder(z[i::2]).log_prob(X) for i in range(2)], dim=1).flatten()
    torch.testing.assert_close(decoder.likelihood(X)(z), each)


def test_the_background_is_the_log_frequency_of_words() -> None:
    decoder = made()
    expected = (X.sum(0) + 0.5) / (X.sum() + 0.5 * V)
    torch.testing.assert_close(decoder.background.exp(), expected)
    assert "background" in decoder.state_dict() and not decoder.background.requires_grad


def test_documents_are_drawn_as_long_as_those_learned_from() -> None:
    drawn = made()(torch.zeros(600, D)).sample(generator=torch.Generator().manual_seed(0))
    lengths = drawn.sum(1)
    assert set(lengths.tolist()) == {0.0, 3.0, 5.0}
    assert float((lengths == 5).float().mean()) == pytest.approx(1 / 3, abs=0.08)
    fixed = made(length=200)
    z = torch.randn(1, D).expand(50, D)
    drawn = fixed(z).sample(generator=torch.Generator().manual_seed(0))
    assert bool((drawn.sum(1) == 200).all()) and bool((drawn == drawn.round()).all())
    p = fixed(z).log_p[0].exp()
    spread = (p * (1 - p) / (50 * 200)).sqrt()
    assert float(((drawn.sum(0) / 10_000 - p).abs() / spread).max().detach()) < 4.5
    torch.testing.assert_close(fixed(z).mean.sum(1), torch.full((50,), 200.0))


def test_a_normalised_word_has_no_scale_of_its_own() -> None:
    decoder = made(hidden=(8,), batch_norm=True).train()
    assert decoder.norm is not None and not decoder.norm.weight.requires_grad
    with torch.no_grad():
        scores = decoder._scores(torch.randn(500, D)) - decoder.background
    torch.testing.assert_close(scores.mean(0), torch.zeros(V), atol=1e-4, rtol=0)
    assert float(scores.std(0).max()) < 1.05


def test_a_last_batch_of_one_is_normalised_by_the_running_figures() -> None:
    decoder = made(hidden=(8,), batch_norm=True).train()
    one = decoder.likelihood(X[:1])(torch.zeros(1, D))
    decoder.eval()
    torch.testing.assert_close(one, decoder.likelihood(X[:1])(torch.zeros(1, D)))


@pytest.mark.parametrize("counts", ["log", "unit"])
def test_the_virtual_adversarial_loss_perturbs_counts_and_nothing_is_nan(counts: str) -> None:
    torch.manual_seed(0)
    encoder = BagEncoder(D, V, (8,), dropout=0.5, counts=counts).train()
    model = LatentEBM(CoupledPrior(D, 2, {"hidden": [8]}), made(), encoder)
    loss = vat_loss(model, Batch(X), 3.0, torch.Generator().manual_seed(0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) > 0
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())
    encoder.eval()
    torch.testing.assert_close(encoder(X).mean, encoder(X).mean)
    again = encoder(3 * X[:2]).mean
    assert torch.allclose(again, encoder(X[:2]).mean, atol=1e-6) == (counts == "unit")


def topics() -> tuple[list[str], np.ndarray]:
    """600 documents about three things, in words of their own and many common ones."""
    random = np.random.RandomState(0)
    own = [[f"{name}{i}" for i in range(30)] for name in ("sea", "law", "tea")]
    common = [f"word{i}" for i in range(60)]
    y = np.arange(600) % 3
    texts = [" ".join([*random.choice(own[c], 4), *random.choice(common, 8)]) for c in y]
    return texts, y


def test_documents_are_classified_from_few_labels() -> None:
    texts, y = topics()
    x = CountVectorizer().fit_transform(texts)
    few = np.where(np.arange(600) < 15, y, -1)
    model = LatentEBMClassifier(
        "tabular.bag", encoder_options={"dropout": 0.2}, vat=0.0, prior_hidden=(32,),
        max_iter=100, refit_steps=20, random_state=0,
    ).fit(x[:400], few[:400])  # fmt: skip
    assert model.score(x[400:], y[400:]) > 0.8
    np.testing.assert_allclose(
        model.predict_proba(x[400:410].toarray()), model.predict_proba(x[400:410])
    )
    drawn = model.sample(60, y=1, random_state=0)
    assert isinstance(drawn, csr_matrix) and drawn.shape == (60, x.shape[1])
    assert set(drawn.sum(1).ravel().tolist()[0]) <= {12}
    assert (model.predict(drawn) == 1).mean() > 0.5  # of three


def test_sparse_counts_become_dense_by_the_batch() -> None:
    x = BagAdapter().fit(csr_matrix(X.numpy())).transform(csr_matrix(X.numpy()))
    assert isinstance(x, SparseRows) and len(x) == 3
    torch.testing.assert_close(x[torch.tensor([1, 0])], X[[1, 0]])
    torch.testing.assert_close(x[np.array([False, True, False])], X[1:2])
    twice = BagAdapter(binary=True).fit(X.numpy()).transform(X.numpy())
    torch.testing.assert_close(twice[torch.arange(3)], (X > 0).float())


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.array([[1.0, -2.0], [0.0, 1.0], [1.0, 1.0]]), "X has the count -2"),
        (np.array([[1.0, np.nan], [0.0, 1.0], [1.0, 1.0]]), "Input X contains NaN"),
        (["a text", "another", "a third"], r"as a matrix \(n, words\)"),
        (np.array([["a"], ["b"], ["c"]]), "as a matrix"),
        (np.zeros((3, 0)), "X has no counts"),
    ],
)
def test_what_is_no_count_says_so(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        LatentEBMClassifier("tabular.bag", max_iter=1).fit(x, [0, 1, -1])
    assert "\n" not in str(caught.value)


def test_other_sizes_and_options_say_so() -> None:
    adapter = BagAdapter().fit(X.numpy())
    with pytest.raises(ValueError, match="counts of 4 words, the training X of 5"):
        adapter.transform(X[:, :4].numpy())
    with pytest.raises(UsageError, match="counts from 0 on, and x has -4"):
        made().initialise(Documents(-X))
    with pytest.raises(UsageError, match="examples that are counts of words"):
        made().initialise(Documents(X.long()))
    with pytest.raises(UsageError, match='encoder.counts = "lg".*Did you mean "log"'):
        BagEncoder(D, V, counts="lg")
    with pytest.raises(UsageError, match="encoder.dropout = 1"):
        BagEncoder(D, V, dropout=1.0)
    with pytest.raises(UsageError, match="decoder.length = -1"):
        BagDecoder(D, V, length=-1)
    with pytest.raises(ValueError, match='adapter_options: .*has no option "missing"'):
        LatentEBMClassifier("tabular.bag", adapter_options={"missing": True}).fit(X, [0, 1, -1])
