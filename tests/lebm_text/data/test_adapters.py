"""Texts for a classifier."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
from sklearn.base import clone

from lebm_core import LatentEBMClassifier
from lebm_text.data.adapters import BagAdapter, TextAdapter

GOOD, BAD = "good great lovely nice fine".split(), "bad awful poor nasty dull".split()
OTHER = "the a food was place service very it room film".split()
KINDS = ["text.lstm", "text.bag"]


def reviews(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    """n texts with one telling word each, and which one it is of: 1 for a good one."""
    draw, y = random.Random(seed), np.arange(n) % 2
    texts = []
    for good in y:
        words = draw.choices(OTHER, k=draw.randint(2, 8))
        words.insert(draw.randrange(len(words) + 1), draw.choice(GOOD if good else BAD))
        texts.append(" ".join(words).capitalize() + ".")
    return texts, y


@pytest.fixture(scope="module", params=KINDS)
def fitted(request):
    X, y = reviews(200, 0)  # noqa: N806
    few = np.where(np.arange(200) < 60, y, -1)
    options = {
        "text.lstm": {"decoder_options": {"hidden": 32}, "learning_rate": 1.5e-2, "vat": 10.0},
        "text.bag": {"max_iter": 20},
    }[request.param]  # fmt: skip
    model = LatentEBMClassifier(
        request.param,
        **({"max_iter": 12} | options),
        batch_size=40,
        refit_steps=200,
        random_state=0,
    )
    return model.fit(X, few)


def test_a_few_labels_are_enough(fitted):
    X, y = reviews(200, 1)  # noqa: N806
    assert fitted.score(X, y) > 0.9
    assert fitted.score(np.array(X), y) == fitted.score(X, y)
    assert fitted.transform(X).shape == (200, 10)
    assert fitted.history_[-1]["vat_loss"] > 0  # the default loss is at work


def test_samples_are_texts_of_the_words_learned(fitted):
    drawn = fitted.sample(200, y=1, random_state=0)
    assert drawn.shape == (200,) and all(isinstance(text, str) for text in drawn)
    words = [word for text in drawn for word in text.split()]
    assert words and {*words} <= {*GOOD, *BAD, *OTHER, ".", "<unk>"}
    # never seen in training, it has a small probability all the same: of some 2,000 words a few
    assert words.count("<unk>") <= 0.005 * len(words)
    right = [fitted.predict(fitted.sample(800, y=c, random_state=0)) == c for c in (0, 1)]
    assert np.mean(right) > 0.55  # chance is 0.5, sd 0.0125


def test_pickle_and_clone(fitted):
    X, _ = reviews(20, 2)  # noqa: N806
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert clone(fitted).get_params() == fitted.get_params()


def test_a_prediction_does_not_depend_on_longer_neighbours(fitted):
    X, _ = reviews(10, 3)  # noqa: N806
    alone = fitted.predict_proba(X[:3])
    np.testing.assert_allclose(fitted.predict_proba([*X[:3], " ".join(X)])[:3], alone, atol=1e-6)


def test_words_there_and_back():
    adapter = TextAdapter(min_count=1, max_length=4).fit(["The cat, it sat", "a cat"])
    x = adapter.transform(["The CAT sat on it , it sat", ""])
    assert x.tolist() == [[*adapter.vocabulary.encode("the cat sat <unk>"), 2], [2, 0, 0, 0, 0]]
    assert adapter.inverse_transform(x).tolist() == ["the cat sat <unk>", ""]
    assert adapter.sizes["vocab_size"] == len(adapter.vocabulary) == 4 + 6
    bag = BagAdapter(min_count=1, vocab_size=2).fit(["The cat, it sat", "a cat a", "the cat"])
    assert bag.columns == ["cat", "a"] and bag.sizes == {"features": 2}
    assert bag.transform(["Cat a cat dog", ""])[:].tolist() == [[2, 1], [0, 0]]
    assert bag.inverse_transform(bag.transform(["a cat cat"])[:]).tolist() == ["cat cat a"]


@pytest.mark.parametrize(
    ("X", "said"),
    [
        ("one text", "X is one text: a list"),
        (["a text", 3], "X holds 3 at position 1"),
        (["a text", None], "X holds None at position 1"),
        (np.array([["a", "b"]]), r"X has the shape \(1, 2\)"),
        (None, "X is of type NoneType: a list of texts"),
        ({"a text": 0, "another": 1}, "X is of type dict: a list of texts"),
        ((text for text in "ab"), "X is of type generator"),
        (np.array("a text"), r"X has the shape \(\)"),
        (["a text", ["x" * 9999]], r"X holds \['x+\.\.\.x+'\] at position 1"),
        (["", ""], "fewer than two different words"),
    ],
)
def test_what_is_no_text_is_refused(X, said):  # noqa: N803
    with pytest.raises(ValueError, match=said):
        TextAdapter().fit(X)
    with pytest.raises((ValueError, TypeError)):  # scikit-learn's own of what has no length
        LatentEBMClassifier("text.lstm").fit(X, [0, 1])


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (TextAdapter, {"max_length": 0}, "max_length = 0 must be at least 1"),
        (BagAdapter, {"vocab_size": 0}, "vocab_size = 0 must be at least 1"),
        (BagAdapter, {"min_count": "2"}, "min_count = '2' must be at least 1"),
        (BagAdapter, {"min_count": float("nan")}, "min_count = nan must be at least 1"),
        (BagAdapter, {"words": "simpel"}, 'words = "simpel": accepted are "simple"'),
    ],
)
def test_bad_options(kind, options, said):
    with pytest.raises(ValueError, match=said):
        kind(**options)


def test_no_text_at_all_is_one_sentence(fitted):
    with pytest.raises(ValueError, match="0 sample"):
        fitted.predict([])
