"""The figures against cases worked by hand, and the published estimators against their flaw."""

from __future__ import annotations

import math

import pytest
import torch

from lebm_core.data.dataset import subset
from lebm_core.sequences.dataset import rows_of
from lebm_text.metrics.diversity_scores import distinct, self_bleu
from lebm_text.metrics.importance import self_normalised
from lebm_text.metrics.latent import active_units, mutual_information
from lebm_text.metrics.reconstruction import bleu
from lebm_text.metrics.text_scores import length_bins, matched, perplexity


def test_rows_end_at_their_first_end():
    x = torch.tensor([[5, 2, 6, 2], [5, 6, 7, 8], [5, 6, 0, 0], [0, 0, 0, 0]])
    assert [row.tolist() for row in rows_of(x)] == [[5, 2], [5, 6, 7, 8], [5, 6], [2]]


def test_subset_is_fixed_and_whole_where_asked():
    assert subset(10, 0, 0).tolist() == list(range(10)) == subset(10, 99, 0).tolist()
    some = subset(100, 5, 1)
    assert torch.equal(some, subset(100, 5, 1)) and len(some.unique()) == 5


def test_perplexity_of_equal_rates_is_exact():
    tokens = torch.tensor([1, 5, 10])
    figure = perplexity(tokens * math.log(7.0), tokens)
    assert figure.value == pytest.approx(7) and figure.error == pytest.approx(0, abs=1e-5)


def test_the_error_of_a_perplexity_is_that_of_repeated_draws():
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, 30, (2000, 200), generator=generator)
    nats = 2.0 * tokens + 3.0 * torch.randn(2000, 200, generator=generator)
    scores = [perplexity(n, t) for n, t in zip(nats, tokens, strict=True)]
    values = torch.tensor([s.value for s in scores])
    errors = torch.tensor([s.error for s in scores])
    # The spread of 2,000 values is known to 1/sqrt(4000) = 1.6 %.
    assert float(errors.mean() / values.std()) == pytest.approx(1, abs=0.08)


def test_matching_undoes_a_difference_in_length_alone():
    """Nats per token depend on length only; samples are short, real text is not."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randint(1, 41, (20_000,), generator=generator)
    short = torch.randint(1, 41, (200_000,), generator=generator)
    short = short[torch.rand(200_000, generator=generator) < 1.0 / short]

    def nats(tokens):
        return tokens * (3 - 0.05 * tokens)

    target = perplexity(nats(real), real)
    plain = perplexity(nats(short), short)
    found = matched(nats(short), short, real, bins=40)
    assert abs(math.log(plain.value / target.value)) > 0.3
    assert found.covered == 1
    assert math.log(found.score.value) == pytest.approx(math.log(target.value), abs=0.02)
    assert matched(nats(real), real, real).score.value == pytest.approx(target.value)


def test_matching_says_how_much_of_real_text_it_covers():
    real = torch.tensor([2] * 50 + [10] * 50)
    samples = torch.tensor([2, 2, 2])
    found = matched(samples * 1.0, samples, real, bins=2)
    assert found.covered == pytest.approx(100 / 600) and found.score.value == pytest.approx(math.e)
    assert matched(torch.ones(1), torch.ones(1), real).covered == 0
    assert len(length_bins(torch.arange(100), 10)) == 9 and len(length_bins(real, 2)) == 1


def test_distinct():
    sentences = [[1, 2, 1, 2], [1, 2]]  # 6 words of 2 kinds; bigrams 12 21 12 12
    assert distinct(sentences, 1) == pytest.approx(2 / 6)
    assert distinct(sentences, 2) == pytest.approx(2 / 4)
    assert distinct(sentences, 3) == pytest.approx(2 / 2)
    assert distinct([[1]], 2) == 0


def test_self_bleu_of_identical_and_of_disjoint_sentences():
    assert self_bleu([[1, 2, 3, 4, 5]] * 3) == pytest.approx(100)
    assert self_bleu([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]) == 0
    assert self_bleu([[1, 2, 3, 4]]) == 0


def test_self_bleu_is_corpus_bleu_against_all_others():
    sacrebleu = pytest.importorskip("sacrebleu")
    generator = torch.Generator().manual_seed(0)
    sentences = [torch.randint(3, (6 + i % 3,), generator=generator).tolist() for i in range(12)]
    text = [" ".join("abc"[w] for w in s) for s in sentences]
    others = [[text[(i + k) % 12] for i in range(12)] for k in range(1, 12)]
    expected = sacrebleu.corpus_bleu(text, others, tokenize="none", force=True)
    assert self_bleu(sentences) == pytest.approx(expected.score, rel=1e-6)


def test_bleu_is_sacrebleus_with_an_error():
    sacrebleu = pytest.importorskip("sacrebleu")
    references = [f"the cat number {i} sat on the mat" for i in range(50)]
    hypotheses = [r if i % 2 else r.replace("sat", "was") for i, r in enumerate(references)]
    figure = bleu(hypotheses, references)
    expected = sacrebleu.corpus_bleu(hypotheses, [references], tokenize="none", force=True).score
    assert figure.value == pytest.approx(expected) and 0 < figure.error < 10
    assert bleu(references, references).value == pytest.approx(100)
    assert math.isnan(bleu(references[:1], references[:1]).error)


def test_active_units():
    means = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    assert active_units(means * torch.tensor([1.0, 0.5, 0.05, 0.0])) == 2


def test_mutual_information_of_separate_codes_is_log_n_and_of_equal_ones_0():
    generator = torch.Generator().manual_seed(0)
    mean, std = 100.0 * torch.arange(300.0)[:, None], torch.ones(300, 1)
    z = mean + torch.randn(300, 1, generator=generator)
    assert mutual_information(z, mean, std) == pytest.approx(math.log(300))
    same = torch.zeros(300, 1)
    assert mutual_information(z - mean, same, std) == pytest.approx(0, abs=1e-5)


def test_the_published_estimator_overstates_where_importance_sampling_is_right():
    """A linear-Gaussian model with the exact posterior as proposal: log p(x) is known.

    p(z) = N(0, I), p(x|z) = N(z, s^2 I), d = 32: importance weights are constant, so the honest
    estimate is exact; the self-normalised one is E_q log p(x|z)-like and tens of nats too high.
    """
    d, s, n = 32, 0.3, 100
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, d, generator=generator, dtype=torch.float64) * math.sqrt(1 + s**2)
    q = torch.distributions.Normal(x / (1 + s**2), math.sqrt(s**2 / (1 + s**2)))
    z = q.mean + q.stddev * torch.randn(n, d, generator=generator, dtype=torch.float64)

    def normal(value, mean, std):
        return torch.distributions.Normal(mean, std).log_prob(value).sum(-1, keepdim=True)

    zero = torch.zeros_like(x)
    exact = normal(x, zero, math.sqrt(1 + s**2))
    likelihood = normal(x, z, s)
    weights = normal(z, zero, 1.0) - q.log_prob(z).sum(-1, keepdim=True)
    honest = (likelihood + weights).logsumexp(0) - math.log(n)
    published = self_normalised(likelihood, weights)
    assert float(honest) == pytest.approx(float(exact), abs=1e-6)
    assert float(published - exact) > 20
