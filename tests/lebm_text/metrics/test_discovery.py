"""Estimators of agreement by hand, the flaw of the published ones, and the metric as a whole."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lebm_core import CoupledPrior, GaussianPrior, LatentEBM, SequenceDecoder, run_recipe
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.latent.amortized import Amortized
from lebm_core.sequences.tokens import EOS
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.dailydialog import DialogueDataset
from lebm_text.data.vocabulary import Vocabulary
from lebm_text.evaluators.language_model import EvaluatorOptions
from lebm_text.metrics.classes.class_samples import described
from lebm_text.metrics.classes.cluster_agreement import (
    agreement,
    batch_homogeneity,
    batch_information,
    information,
)
from lebm_text.metrics.classes.clusters import k_means
from lebm_text.metrics.classes.discovery import Discovery

ACT_SHARES = torch.tensor([0.457, 0.286, 0.165, 0.093])  # of DailyDialog's test split


def random_pair(n_classes: int, n: int = 7740) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels as the acts are, and classes that have nothing to do with them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(ACT_SHARES, n, replacement=True, generator=generator)
    return labels, torch.randint(n_classes, (n,), generator=generator)


@pytest.mark.parametrize(("n_classes", "published"), [(11, 0.42), (20, 0.59), (125, 0.91)])
def test_random_classes_are_pure_by_the_published_estimator_and_not_by_pooled_ones(
    n_classes, published
):
    labels, classes = random_pair(n_classes)
    assert batch_homogeneity(labels, classes, 30).value == pytest.approx(published, abs=0.03)
    pooled = agreement(labels, classes, torch.arange(len(labels)), resamples=0)
    assert pooled.homogeneity.value < 0.025
    assert pooled.adjusted_information.value == pytest.approx(0, abs=0.003)


def scores(labels, classes):
    found = agreement(torch.tensor(labels), torch.tensor(classes), torch.arange(len(labels)),
                      resamples=0)  # fmt: skip
    return [figure.value for figure in found]


def test_agreement_by_hand():
    assert scores([0, 0, 1, 1], [5, 5, 2, 2]) == pytest.approx([1, 1, 1])
    # Each alone: homogeneous, but complete by log 2 of log 4 only, and no better than by chance.
    assert scores([0, 0, 1, 1], [0, 1, 2, 3]) == pytest.approx([1, 2 / 3, 0], abs=1e-9)
    assert scores([0, 0, 1, 1], [0, 0, 0, 0]) == pytest.approx([0, 0, 0])
    # H(label) = log 2, H(label | class) = 3/4 H(1/3).
    third = -(math.log(1 / 3) + 2 * math.log(2 / 3)) / 3
    assert scores([0, 0, 1, 1], [0, 0, 0, 1])[0] == pytest.approx(1 - 0.75 * third / math.log(2))


def test_a_mean_over_batches_is_another_figure_than_that_of_all():
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    classes = torch.tensor([0, 1, 1, 0, 0, 1])  # pure in each pair, in the second the other way
    assert batch_homogeneity(labels, classes, 2).value == pytest.approx(1)
    assert agreement(labels, classes, labels, resamples=0).homogeneity.value < 0.1
    one = torch.tensor([0, 0])
    assert batch_homogeneity(one, torch.tensor([0, 1]), 2).value == 1  # one label alone counts 1
    assert batch_homogeneity(labels[:5], classes[:5], 2).value == pytest.approx(1)  # 5th left out


def test_errors_are_those_of_groups_drawn_again():
    labels, classes = torch.tensor([0, 0, 1, 1] * 25), torch.tensor([0, 0, 0, 1] * 25)
    alike = torch.arange(25).repeat_interleave(4)  # every group is the same
    assert agreement(labels, classes, alike).v_measure.error == pytest.approx(0, abs=1e-12)
    assert agreement(labels, classes, torch.arange(100)).v_measure.error > 0.01
    assert math.isnan(agreement(labels, classes, alike, resamples=0).v_measure.error)


def test_information_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.1, 0.9]])
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert information(p).value == pytest.approx(math.log(2) - entropy, abs=1e-6)
    assert information(p[:1].expand(6, 2)).value == pytest.approx(0, abs=1e-9)
    sure = torch.eye(125).repeat(8, 1)
    assert information(sure).value == pytest.approx(math.log(125))
    # A batch cannot hold more classes than examples.
    assert batch_information(sure, 25).value == pytest.approx(math.log(25))
    # Nor does it know whether classes have to do with anything.
    mixed = sure[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    assert information(mixed).value == pytest.approx(math.log(125))


def test_clusters_are_no_more_than_rows():
    x = torch.tensor([[0.0], [0.1], [5.0]]).numpy()
    assert k_means(x, 8, 0).n_clusters == 3
    two = k_means(x, 2, 0).labels_.tolist()
    assert two[0] == two[1] != two[2]


@pytest.fixture
def small() -> DialogueDataset:
    words = Vocabulary(["why", "no", "go"])
    rows = [[4], [4, 4], [5], [6]]
    return DialogueDataset(
        words, {"test": rows}, {},
        attributes={"act": {"test": torch.tensor([1, 1, 0, -1])}},
        names={"act": ("inform", "question")},
        dialogues={"test": torch.arange(4)},
    )  # fmt: skip


def test_a_class_is_described_by_its_commonest_act_and_its_utterances(small):
    text = described(small, "test", torch.tensor([7, 7, 7, 2]), [7, 2], {7: ["why why"]}, seed=0)
    first, second = text.split("\n\n")[1:]
    assert first.splitlines()[0] == "class 7: 0.750 of the utterances; act question 0.67"
    assert sorted(first.splitlines()[1:4]) == ["  real   no", "  real   why", "  real   why why"]
    assert first.splitlines()[4] == "  drawn  why why"
    assert second.splitlines()[0] == "class 2: 0.250 of the utterances; "  # its act is not known


def test_options_that_are_not_possible_are_refused():
    with pytest.raises(
        UsageError, match=r"evaluation\.discovery_draws = 0 is too small; use at least 1"
    ):
        Discovery(discovery_draws=0)
    with pytest.raises(UsageError, match=r"evaluation\.strengths"):
        Discovery(strengths=[1.0, -1.0])


def dialogues(folder: Path, n: int) -> None:
    """Two kinds of utterance, which the words tell apart: questions, and orders."""
    (folder / "dailydialog").mkdir(parents=True)
    for part in ("train", "validation", "test"):
        text, acts, emotions = "", "", ""
        for i in range(n):
            text += f"is it here {part} {i} ? __eou__ bring me that now ! __eou__\n"
            acts, emotions = f"{acts}2 3\n", f"{emotions}0 {i % 2}\n"
        for kind, content in (("", text), ("_act", acts), ("_emotion", emotions)):
            (folder / "dailydialog" / f"dialogues{kind}_{part}.txt").write_text(content)


class Kinds(torch.nn.Module):
    """Codes of utterances: z0 is 2 for those that begin with the first word, -2 for others."""

    latent_dim = 2

    def forward(self, x, context=None):
        sign = torch.where(x[:, 0] == 4, 2.0, -2.0)
        mean = torch.stack([sign, torch.zeros(len(x))], 1)
        return torch.distributions.Independent(torch.distributions.Normal(mean, 0.1), 1)


class Asks(SequenceDecoder):
    """ "why no" where z0 is positive, else "go no"."""

    def next_logits(self, token, state, z):
        step = 0 if state is None else state
        words = torch.where(z[:, 0] > 0, 4, 6) if step == 0 else torch.full((len(z),), 5)
        words = torch.where(torch.tensor(step == 2), EOS, words)
        return torch.nn.functional.one_hot(words, 7).float().log().clamp(min=-1e4), step + 1

    def select(self, state, rows):
        return state


def test_known_classes_are_scored_against_attributes_and_permuted_ones(tmp_path):
    """The class is the sign of z0, which says the act, and has nothing to do with the emotion."""
    rows = [[4, 5], [6, 5]] * 40
    n = len(rows)
    splits = ("train", "valid", "test")
    data = DialogueDataset(
        Vocabulary(["why", "no", "go"]), dict.fromkeys(splits, rows), {},
        attributes={
            "act": dict.fromkeys(splits, torch.arange(n) % 2),
            "emotion": dict.fromkeys(splits, torch.arange(n) // 2 % 2),
        },
        names={"act": ("question", "order"), "emotion": ("none", "joy")},
        dialogues=dict.fromkeys(splits, torch.arange(n) // 4),
    )  # fmt: skip
    prior = CoupledPrior(2, 2, {"hidden": []}, {"steps": 20})
    with torch.no_grad():
        weight = next(p.zero_() for p in prior.parameters() if p.ndim == 2)
        weight[0, 0], weight[1, 0] = 4.0, -4.0
    decoder = Asks(2, 7, embed_dim=4, hidden=4, max_length=5)
    model = LatentEBM(prior, decoder, Kinds(), Amortized()).eval()
    metric = Discovery(
        discovery_draws=2, discovery_resamples=4, discovery_samples=20, strengths=[0.0, 1.0],
        evaluator=EvaluatorOptions(embedding=8, hidden=8, epochs=1),
    )  # fmt: skip
    given = Evaluation(
        model, data, "test", torch.Generator().manual_seed(0), 0, tmp_path / "cache", tmp_path,
        None, lambda line: None,
    )  # fmt: skip
    found = metric(given)
    for row in ("", "k_means/"):
        assert found[f"{row}act_ami_of_x"].value == pytest.approx(1)
        assert found[f"{row}emotion_ami_of_x"].value == pytest.approx(0, abs=0.02)
        assert found[f"{row}classes_in_use"].value == 2
    assert abs(found["random/act_ami_of_x"].value) < 0.1
    assert found["random/act_ami"].row_title == "the model's classes, randomly permuted"
    assert found["information"].value == pytest.approx(math.log(2), abs=0.02)
    assert found["coherence_at_1"].value > 0.95
    assert found["coherence_at_0"].value == pytest.approx(0.5, abs=0.25)  # sd 0.08
    assert {"real/fppl", "real/distinct_2"} <= set(found)
    text = (tmp_path / "figures" / "discovered-classes.txt").read_text()
    assert text.startswith("Classes by p(y | x) of 80 utterances of the test split.")
    assert text.count("  real ") == 6 == text.count("  drawn ")
    assert text.count("  drawn  why no") == 3 == text.count("  drawn  go no")
    assert (tmp_path / "figures" / "strength.png").is_file()
    # A baseline without classes has as many clusters of its codes as the model's classes in use.
    plain = LatentEBM(GaussianPrior(2), decoder, Kinds(), Amortized()).eval()
    clusters = metric(replace(given, model=plain, name="vae"))
    assert clusters["act_ami"].value == pytest.approx(1)
    assert clusters["classes_in_use"].value == 2 and "coherence_at_1" not in clusters
    assert not any(value.row for value in clusters.values())


@pytest.mark.slow
def test_classes_are_found_and_judged_from_data_to_report(tmp_path):
    dialogues(tmp_path, 60)
    changes = [
        "prior.n_classes=2", "learning.symbols.clusters=2", "prior.sampler.steps=30",
        "training.epochs=30", "training.parts.decoder.lr=1e-2", "training.parts.encoder.lr=1e-2",
        "training.parts.prior.lr=1e-2", "learning.refit.steps=600",
        "learning.symbols.information=10", "learning.symbols.vat=0", "learning.decoder.kl_zero=0.4",
        "learning.prior_start=0.4", "learning.prior.reference_samples=2",
        "learning.prior.code_pool=256", "evaluation.discovery_samples=40",
        "evaluation.baselines=[vae]",
    ]  # fmt: skip
    run = run_recipe(
        "discover-dailydialog", "smoke", changes, tmp_path, tmp_path / "run", log=lambda line: None
    )
    values = {row: {k: v.value for k, v in found.items()} for row, found in run.results.items()}
    model, mixed = values["model"], values["random"]
    assert model["act_ami_of_x"] > 0.3 and abs(mixed["act_ami_of_x"]) < 0.1
    assert values["k_means"]["act_ami"] > 0.9 and "act_ami" in values["vae"]
    assert model["information"] == pytest.approx(mixed["information"]) and model["bleu"] > 0
    assert model["classes_in_use_of_x"] == 2
    assert model["coherence_at_1"] > model["coherence_at_0"]
    assert {"fppl", "distinct_2"} == set(values["real"])
    assert "coherence_at_1" not in values["vae"]
    text = (run.folder / "figures" / "discovered-classes.txt").read_text()
    assert text.startswith("Classes by p(y | x) of 120 utterances of the test split.")
    assert text.count("  real ") == 6 == text.count("  drawn ")
    assert (run.folder / "figures" / "strength.png").is_file()


def test_the_metric_needs_attributes(tmp_path):
    data = TextDataset(Vocabulary(["why", "no"]), {"test": [[4], [5]]}, {})
    given = Evaluation(
        None, data, "test", torch.Generator(), 0, tmp_path, tmp_path, None, print
    )  # fmt: skip
    with pytest.raises(UsageError, match="needs a data set of the class DialogueDataset, and this"):
        Discovery()(given)


def test_clusters_for_a_prior_without_classes_are_refused_before_a_run_begins(tmp_path):
    with pytest.raises(UsageError, match="clusters = 3 needs an encoder and a coupled prior"):
        run_recipe("image-digits", "smoke", ["learning.symbols.clusters=3"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
