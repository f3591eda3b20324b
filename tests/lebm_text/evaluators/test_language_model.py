from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch

from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.sequences.tokens import EOS
from lebm_text.data.dataset import TextDataset
from lebm_text.data.vocabulary import Vocabulary
from lebm_text.evaluators.language_model import EvaluatorOptions, LanguageModel, score
from lebm_text.evaluators.training import fit, language_model
from lebm_text.metrics.text_scores import lengths_of, perplexity

SMALL = EvaluatorOptions(embedding=16, hidden=16, epochs=2, batch_size=8)


def rows(n, seed=0, v=10):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.cat([torch.randint(4, v, (1 + i % 7,), generator=generator), torch.tensor([EOS])])
        for i in range(n)
    ]


def test_a_known_unigram_model_in_closed_form():
    """With the output layer's weight 0 every token has probability softmax(bias)."""
    model = LanguageModel(10, SMALL).eval()
    p = torch.tensor([0.0, 0.0, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    with torch.no_grad():
        model.embedding.weight.zero_()
        model.bias.copy_(p.clamp(min=1e-30).log())
    sentences = rows(50)
    tokens = lengths_of(sentences)
    expected = math.log(0.3) + (tokens - 1) * math.log(0.1)
    found = score(model, sentences, batch_size=7)
    torch.testing.assert_close(found, expected.float(), atol=1e-4, rtol=1e-5)
    rate = -float(expected.sum() / tokens.sum())
    assert perplexity(-found, tokens).value == pytest.approx(math.exp(rate), rel=1e-5)


def test_a_score_ignores_padding_and_order():
    model = LanguageModel(10, SMALL).eval()
    sentences = rows(20)
    together = score(model, sentences, batch_size=20)
    apart = torch.cat([score(model, [row]) for row in sentences])
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_probabilities_of_all_continuations_sum_to_one():
    """sum over w of p(5, w) is p(5); w runs over all ids but the padding, which is never scored."""
    model = LanguageModel(6, SMALL).eval()
    model.bias[0] = -1e9
    first = model.log_prob(torch.tensor([[5]]))
    pairs = model.log_prob(torch.tensor([[5, w] for w in range(1, 6)]))
    torch.testing.assert_close(pairs.exp().sum(), first.exp().squeeze())


def test_training_learns_a_pattern():
    sentences = [torch.tensor([4, 5, 6, 7, EOS]), torch.tensor([7, 6, 5, 4, EOS])] * 100
    options = EvaluatorOptions(
        embedding=16, hidden=32, dropout=0.0, epochs=10, lr=1e-2, batch_size=8
    )
    torch.manual_seed(0)
    model = LanguageModel(8, options)
    history = fit(model, sentences, sentences[:20], options, watch=sentences[:10])
    assert history[-1]["valid"] < history[0]["valid"] and "watch" in history[0]
    # The best model says log 2 nats of the first word and knows the rest.
    assert -float(score(model, sentences[:2]).mean()) == pytest.approx(math.log(2), abs=0.2)


def test_the_best_epoch_is_what_is_kept():
    train, valid = rows(40, seed=1), rows(40, seed=2)
    options = EvaluatorOptions(
        embedding=32, hidden=64, dropout=0.0, epochs=15, lr=3e-2, batch_size=4
    )
    torch.manual_seed(0)
    model = LanguageModel(10, options)
    history = fit(model, train, valid, options)
    best = min(entry["valid"] for entry in history)
    assert best < history[-1]["valid"]  # it has overfitted since
    nats = -float(score(model, valid).double().sum()) / int(lengths_of(valid).sum())
    assert nats == pytest.approx(best, rel=1e-5)


def test_an_evaluator_is_trained_once_and_again_where_its_file_is_broken(tmp_path):
    lines: list[str] = []
    train, valid = rows(30), rows(10, seed=1)
    splits = {"train": train, "valid": valid}
    splits = {name: [row[:-1].tolist() for row in some] for name, some in splits.items()}
    data = TextDataset(Vocabulary("abcdef"), splits, {})
    evaluation = Evaluation(
        SimpleNamespace(device=torch.device("cpu")), data, "valid", torch.Generator(), 0,
        tmp_path, tmp_path, None, lines.append,
    )  # fmt: skip

    def make(options=SMALL, text=train):
        return language_model(evaluation, data, options, text, "text")

    state = torch.random.get_rng_state()
    first = make()
    assert torch.equal(state, torch.random.get_rng_state())
    assert len(lines) == 1 + SMALL.epochs
    lines.clear()
    second = make()
    assert lines == [] and second.history == first.history and not second.model.training
    torch.testing.assert_close(score(first.model, valid), score(second.model, valid))
    cache = tmp_path / "evaluators"
    (weights,) = cache.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    third = make()
    assert lines != []
    torch.testing.assert_close(score(third.model, valid), score(first.model, valid))
    lines.clear()
    make(text=train[1:])
    make(EvaluatorOptions(embedding=16, hidden=8, epochs=1))
    assert len(list(cache.glob("*.safetensors"))) == 3


def test_options_that_are_not_possible_are_refused():
    with pytest.raises(UsageError, match=r"evaluation\.evaluator\.hidden = 0 must be positive"):
        EvaluatorOptions(hidden=0)
    with pytest.raises(UsageError, match=r"evaluator\.dropout = 1\.0 must be at least 0 and below"):
        EvaluatorOptions(dropout=1.0)
