"""Every metric on a small model, as a run calls it."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch

from lebm_core import EBMPrior, GaussianPrior, LatentEBM, SequenceDecoder, SequenceEncoder
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evaluation.evaluation import Evaluation, evaluate
from lebm_core.sequences.ladder import SequenceLadderDecoder, SequenceLadderEncoder
from lebm_text.data.sources import file
from lebm_text.evaluators.language_model import EvaluatorOptions
from lebm_text.metrics import likelihood
from lebm_text.metrics.chain import ChainText
from lebm_text.metrics.diversity import Diversity
from lebm_text.metrics.latent import Latent
from lebm_text.metrics.likelihood import Likelihood
from lebm_text.metrics.perplexity import Perplexity
from lebm_text.metrics.reconstruction import Reconstruction
from lebm_text.metrics.reverse_perplexity import judged

SMALL = {"embed_dim": 16, "hidden": 16}
EVALUATOR = EvaluatorOptions(embedding=16, hidden=16, epochs=2)
REVERSE = {"reverse_hidden": 16, "reverse_epochs": 2, "greedy_samples": 20}
ENERGY = {"hidden": [16]}


@pytest.fixture(scope="module")
def data(build, text_file):
    return build(file, source=str(text_file), valid_share=0.05, test_share=0.2)


def model_of(data, prior, encoder=True):
    d = prior.latent_dim
    sizes = {k: data.sizes[k] for k in ("vocab_size", "max_length")}
    decoder = SequenceDecoder(d, **sizes, **SMALL)
    with_z = SequenceEncoder(d, sizes["vocab_size"], **SMALL) if encoder and d else None
    return LatentEBM(prior, decoder, with_z).eval()


@pytest.fixture
def evaluation(data, tmp_path):
    def make(model, name="model", decoder="variational", n=30):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return Evaluation(
            model,
            data,
            "test",
            torch.Generator().manual_seed(0),
            0,
            tmp_path / "cache",
            folder,
            SimpleNamespace(learning={"decoder": {"name": decoder}}),
            lambda line: None,
            name,
            lambda: model.sample(n, generator=torch.Generator().manual_seed(1)),
        )

    return make


def test_likelihood_of_the_model_without_z_is_that_of_its_decoder(data, evaluation):
    model = model_of(data, GaussianPrior(0))
    values = Likelihood()(evaluation(model))
    with torch.no_grad():
        x = data.batch("test", torch.arange(data.length("test"))).x
        exact = -model.decoder.likelihood(x)(torch.zeros(len(x), 0))
    tokens = int(data.lengths("test").sum())
    assert values["nll"].value == pytest.approx(float(exact.mean()), rel=1e-5)
    expected = math.exp(float(exact.sum()) / tokens)
    assert values["perplexity"].value == pytest.approx(expected, rel=1e-4)
    assert values["nll"].n == data.length("test") and values["nll"].extra["tokens"] == tokens
    assert "bound" not in values and "nll_as_published" not in values


def test_likelihood_lies_below_its_bound_and_baselines_are_paired(data, evaluation):
    options = {"likelihood_samples": 100, "published_sentences": 5, "log_z_samples": 5000}
    metric = Likelihood(**options)
    model = model_of(data, EBMPrior(4, ENERGY))
    values = metric(evaluation(model))
    assert values["nll"].value <= values["bound"].value + 3 * values["bound"].standard_error
    assert values["nll_as_published"].n == 5
    assert "FLAWED" in values["nll_as_published"].definition
    assert "nll_minus_model" not in values
    baseline = model_of(data, GaussianPrior(0))
    paired = metric(evaluation(baseline, "lm"))
    difference = paired["nll"].value - values["nll"].value
    assert paired["nll_minus_model"].value == pytest.approx(difference, abs=1e-6)
    assert paired["nll_minus_model"].standard_error < paired["nll"].standard_error


def test_a_likelihood_without_support_is_refused_with_the_reason(data, evaluation, monkeypatch):
    def disagree(*args, **options):
        raise UnsupportedEstimate("the two disagree")

    monkeypatch.setattr(likelihood, "checked_log_z", disagree)
    values = Likelihood(published_sentences=0)(evaluation(model_of(data, EBMPrior(4))))
    assert set(values) == {"nll", "perplexity", "bound", "log_z"}
    assert all(v.value is None and v.refused == "the two disagree" for v in values.values())
    values = Likelihood()(evaluation(model_of(data, GaussianPrior(4)), "rae", "autoencoder"))
    assert all(v.value is None and "points" in str(v.refused) for v in values.values())


def test_a_proposal_that_misses_the_posterior_is_refused(data, evaluation):
    model = model_of(data, EBMPrior(4, ENERGY))
    with torch.no_grad():  # a proposal 20 times wider than the prior
        model.encoder.output.weight.zero_()
        model.encoder.output.bias.copy_(torch.tensor([0.0] * 4 + [3.0] * 4))
    options = {"likelihood_samples": 50, "published_sentences": 0, "log_z_samples": 5000}
    values = Likelihood(**options)(evaluation(model))
    assert values["nll"].value is None and "effective codes" in values["nll"].refused
    assert values["perplexity"].refused and values["bound"].value is not None


def test_perplexity_rows(data, evaluation):
    metric = Perplexity(EVALUATOR, **REVERSE)
    values = metric(evaluation(model_of(data, EBMPrior(4, ENERGY, {"steps": 3}))))
    for row in ("", "real/", "aggregate/"):
        names = {f"{row}fppl", f"{row}fppl_matched", f"{row}mean_length"}
        assert names <= set(values)
        assert {values[name].row for name in names} == {row.rstrip("/")}
    assert {"rppl", "rppl_as_published", "real/rppl", "fppl_greedy"} <= set(values)
    assert values["fppl"].n == 30 and values["fppl"].extra["decoding"] == "multinomial"
    assert values["fppl_greedy"].extra["decoding"] == "greedy"
    real = values["real/fppl"]
    assert real.value == pytest.approx(values["real/fppl_matched"].value)
    assert real.n == data.length("test") and real.split == "test"
    assert values["real/mean_length"].value == pytest.approx(
        float(data.lengths("test").double().mean())
    )
    # An untrained model's words are uniform: worse under the judge than real text.
    assert values["fppl"].value > real.value
    plain = metric(evaluation(model_of(data, GaussianPrior(0)), "lm"))
    assert not any(name.startswith(("real/", "aggregate/", "fppl_greedy")) for name in plain)


def test_the_published_reverse_perplexity_averages_over_epochs(data, evaluation):
    """Early, bad epochs enter the published figure: it exceeds that of the trained model."""
    judge = EvaluatorOptions(embedding=16, hidden=16, lr=1e-2, batch_size=4)
    metric = Perplexity(judge, reverse_hidden=16, reverse_epochs=8)
    given = evaluation(model_of(data, GaussianPrior(2)))
    found = judged(given, data, metric.backward, data.rows("train"), data.rows("test"), "text")
    (kept,) = (given.cache / "evaluators").glob("*.json")
    history = json.loads(kept.read_text())["history"]
    running = sum(entry["watch"] for entry in history) / 8
    assert found["rppl_as_published"].value == pytest.approx(math.exp(running))
    assert found["rppl_as_published"].value > found["rppl"].value + 3 * found["rppl"].standard_error


def test_reconstruction_of_a_perfect_copy(data, evaluation, monkeypatch):
    model = model_of(data, GaussianPrior(4))
    monkeypatch.setattr(model, "reconstruct", lambda x, generator: x)
    values = Reconstruction()(evaluation(model))
    assert values["bleu"].value == pytest.approx(100)
    assert values["reconstructed_exactly"].value == 1
    assert Reconstruction()(evaluation(model_of(data, GaussianPrior(0)), "lm")) == {}


def test_diversity_of_copies_of_the_training_text(data, evaluation):
    given = evaluation(model_of(data, GaussianPrior(4)))
    row = max(data.rows("train"), key=len)
    given.__dict__["samples"] = row.repeat(20, 1)
    values = Diversity()(given)
    assert values["self_bleu"].value == pytest.approx(100)
    assert values["unique"].value == pytest.approx(1 / 20) and values["in_train"].value == 1
    words = row.tolist()[:-1]
    assert values["distinct_1"].value == pytest.approx(len(set(words)) / (20 * len(words)))
    assert values["real/in_train"].value == 0 and values["real/unique"].value == 1


def test_latent_figures(data, evaluation):
    values = Latent()(evaluation(model_of(data, GaussianPrior(4))))
    assert set(values) == {"active_units", "kl", "mutual_information"}
    assert math.isfinite(values["kl"].value)
    points = Latent()(evaluation(model_of(data, GaussianPrior(4)), "rae", "autoencoder"))
    assert points["kl"].value is None and points["kl"].refused
    chains = Latent(latent_sentences=8)(
        evaluation(model_of(data, GaussianPrior(2), encoder=False), "mcmc")
    )
    assert set(chains) == {"active_units"}
    assert Latent()(evaluation(model_of(data, GaussianPrior(0)), "lm")) == {}


def test_latent_figures_by_layer(data, evaluation):
    """The layers' KLs are of one draw and add up; a local code alone tells no more than all."""
    layout = {"segments": 3, "segment_length": 2, "local_dim": 2}
    v = data.sizes["vocab_size"]
    decoder = SequenceLadderDecoder(10, v, **layout, **SMALL)
    encoder = SequenceLadderEncoder(10, v, **layout, **SMALL)
    torch.nn.init.normal_(encoder.local.bias, std=2.0)  # the local KL is the larger one
    model = LatentEBM(GaussianPrior(10), decoder, encoder).eval()
    found = {name: value.value for name, value in Latent()(evaluation(model)).items()}
    assert found["kl_global"] + found["kl_local"] == pytest.approx(found["kl"], rel=1e-5)
    assert found["kl_local"] > 2 * found["kl_global"] > 0
    whole = found["mutual_information"]
    assert all(found[f"mutual_information_{name}"] < whole + 0.1 for name in ("global", "local"))


def test_chain_writes_sentences_and_a_picture(data, evaluation, tmp_path):
    options = {"chain_steps": (0, 2, 4), "chain_sentences": 2, "chain_profile": 5}
    given = evaluation(model_of(data, EBMPrior(4, ENERGY)))
    metric = ChainText(**options)
    result = evaluate(metric, "text.chain", given, tmp_path / "chain.json")
    assert result.values["energy_drop"].extra["steps"] == 4
    assert (given.folder / "figures" / "chain.png").is_file() and len(result.figures) == 1
    text = (given.folder / "chain.md").read_text(encoding="utf-8")
    for part in ("Step 0:", "Step 4:", "## Reconstructions", "## Interpolations"):
        assert part in text
    plain = evaluation(model_of(data, GaussianPrior(4)), "f0")
    assert metric(plain) == {} and "Step" not in (plain.folder / "chain.md").read_text()


def test_other_data_is_refused(evaluation, data):
    given = evaluation(model_of(data, GaussianPrior(4)))
    given.dataset = SimpleNamespace()
    with pytest.raises(UsageError, match=r"text\.likelihood needs a data set of the class Token"):
        Likelihood()(given)
