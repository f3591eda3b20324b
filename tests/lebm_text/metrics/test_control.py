"""text.control: who judges, what the figures are, and that a model does what it is asked."""

from __future__ import annotations

import random

import pytest
import torch

from lebm_core import CoupledPrior, GaussianPrior, LatentEBM, SequenceDecoder
from lebm_core.data.dataset import SPLITS
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.latent.amortized import Amortized
from lebm_core.sequences.tokens import EOS
from lebm_text.data.dataset import TextDataset
from lebm_text.data.vocabulary import Vocabulary
from lebm_text.evaluators.class_classifier import ClassClassifier, class_classifier
from lebm_text.evaluators.language_model import EvaluatorOptions, LanguageModel
from lebm_text.metrics.classes.code_classes import CodeClasses
from lebm_text.metrics.control import ControlledText
from lebm_text.metrics.control_scores import ControlScores

WORDS = "it was not very good bad food service".split()
CLASSES = ("negative", "positive")


def reviews(n, seed=0):
    """Sentences whose class is in a pair of words alone: "not good", "very bad" are negative."""
    draw, rows, labels = random.Random(seed), [], []
    for i in range(n):
        how, what = draw.choice(["not", "very"]), draw.choice(["good", "bad"])
        rows.append(["food" if i % 2 else "service", "was", how, what])
        labels.append(int((how == "very") == (what == "good")))
    return rows, labels


@pytest.fixture(scope="module")
def data():
    vocabulary = Vocabulary(WORDS)
    splits, labels = {}, {}
    for i, (split, n) in enumerate(zip(SPLITS, (300, 60, 100), strict=True)):
        rows, labels[split] = reviews(n, i)
        splits[split] = [vocabulary.encode(" ".join(row)) for row in rows]
    return TextDataset(vocabulary, splits, {}, labels=labels, classes=CLASSES)


def ids(*sentences):
    vocabulary = Vocabulary(WORDS)
    return [torch.tensor([*vocabulary.encode(s), EOS]) for s in sentences]


@pytest.fixture(scope="module")
def judge(data):
    classifier = ClassClassifier(len(data.tokenizer), 2)
    return classifier.fit(data.rows("train"), data.labels["train"])


def test_the_judge_reads_pairs_of_words(data, judge):
    assert (judge(data.rows("test")) == data.labels["test"]).all()
    asked = ids("it was very good", "it was not good", "service not bad", "very bad food")
    assert judge(asked).tolist() == [1, 0, 1, 0]
    without_end = [row[:-1] for row in asked]
    assert judge(without_end).tolist() == [1, 0, 1, 0]
    twice = ids("very good very good not good", "very good not good")
    scores = judge.occurring(twice) @ judge.weight
    assert scores[0, 1] == pytest.approx(scores[1, 1], abs=5e-2)  # what occurs, not how often
    assert judge.occurring(twice).max() == 1
    assert judge([torch.tensor([EOS]), torch.tensor([3, EOS])]).shape == (2,)  # nothing known


def test_the_judge_of_three_classes():
    rows = ids("good", "bad", "food", "good food") * 20
    y = torch.tensor([0, 1, 2, 0] * 20)
    judge = ClassClassifier(len(WORDS) + 4, 3).fit(rows, y)
    assert judge(ids("good", "bad", "food", "good food")).tolist() == [0, 1, 2, 0]
    with pytest.raises(UsageError, match="3 classes needs .*: 2 have some"):
        ClassClassifier(len(WORDS) + 4, 3).fit(rows, y.clamp(max=1))


def test_a_pair_does_not_reach_over_the_end_of_a_sentence(judge):
    two = judge.occurring(ids("it was very", "good food")).toarray()
    apart = [judge.occurring(ids(each)).toarray()[0] for each in ("it was very", "good food")]
    assert (two == apart).all() and two[0].any()


def evaluation_of(model, data, folder, split="test"):
    return Evaluation(
        model, data, split, torch.Generator().manual_seed(0), 0, folder / "cache", folder,
        None, lambda line: None,
    )  # fmt: skip


def test_the_judge_is_kept_and_a_damaged_one_is_trained_again(data, tmp_path):
    first = class_classifier(evaluation_of(None, data, tmp_path), data)
    (file,) = (tmp_path / "cache" / "evaluators").glob("class-classifier-*.safetensors")
    lines: list[str] = []
    evaluation = evaluation_of(None, data, tmp_path)
    evaluation.log = lines.append
    again = class_classifier(evaluation, data)
    assert not lines and (again.weight == first.weight).all() and (again.bias == first.bias).all()
    file.write_bytes(file.read_bytes()[:100])
    again = class_classifier(evaluation, data)
    assert len(lines) == 1 and (again.weight == first.weight).all()


@pytest.fixture(scope="module")
def scores(data, judge):
    torch.manual_seed(0)
    language = LanguageModel(len(data.tokenizer), EvaluatorOptions(embedding=8, hidden=8))
    known = {tuple(row.tolist()[:-1]) for row in data.rows("train")}
    return ControlScores(language.eval(), judge, data, [0.25, 0.75], known)


def test_one_repeated_sentence_wins_accuracy_alone(scores):
    rows = [ids("it was very bad") * 40, ids("it was very good") * 40]
    found = scores.by_class(rows, "samples", {"strength": 1.0})
    assert found["accuracy_controlled"].value == found["accuracy_negative"].value == 1
    assert found["self_bleu_positive"].value == pytest.approx(100)
    assert found["unique_positive"].value == 1 / 40
    assert found["distinct_2_positive"].value == 3 / (3 * 40)
    assert found["mean_length_positive"].value == 5


def test_classes_are_put_together_in_the_shares_of_the_training_text(scores):
    bad, good = ids("very bad", "not good"), ids("food very good", "food very bad")
    rows = [bad * 30, good * 30]
    found = scores.by_class(rows, "samples", {})
    assert found["accuracy_negative"].value == 1 and found["accuracy_positive"].value == 0.5
    overall = found["accuracy_controlled"]
    assert overall.value == 0.75 and overall.n == 120  # the mean of the classes, however many
    assert overall.standard_error == pytest.approx((0.25 / 60) ** 0.5 / 2)
    assert found["fppl_controlled"].n == 60  # 15 of the one, 45 of the other
    assert found["mean_length_controlled"].value == 0.25 * 3 + 0.75 * 4
    assert "fppl_positive" not in scores.by_class(rows, "samples", {}, each=False)


def split_by_sign(data, prior):
    """A model whose first code coordinate says the class: z0 > 0 gives "very good"."""
    torch.manual_seed(0)
    decoder = SequenceDecoder(2, len(data.tokenizer), embed_dim=16, hidden=16, dropout=0.0,
                              max_length=6)  # fmt: skip
    adam = torch.optim.Adam(decoder.parameters(), lr=1e-2)
    z = torch.randn(400, 2)
    z[:, 0] += z[:, 0].sign()
    good, bad = ids("it was very good", "it was very bad")
    x = torch.where(z[:, :1] > 0, good, bad)
    for _ in range(60):
        loss = -decoder.likelihood(x)(z).mean()
        adam.zero_grad(), loss.backward(), adam.step()
    return LatentEBM(prior, decoder)


def tilted():
    """F_y(z) is about -4 z0 for the class 0 and 4 z0 for the class 1, within the bound."""
    prior = CoupledPrior(2, 2, {"hidden": []}, {"steps": 40, "step_size": 0.4})
    with torch.no_grad():
        for part in prior.parameters():
            part.zero_()
        weight = next(p for p in prior.parameters() if p.ndim == 2)
        weight[0, 0], weight[1, 0] = -4.0, 4.0
    return prior


def quick(**options):
    small = EvaluatorOptions(embedding=8, hidden=8, epochs=1)
    sizes = {"control_samples": 200, "strength_samples": 100, "code_sentences": 50}
    return ControlledText(evaluator=small, **(sizes | {"strengths": [0.0, 1.0]} | options))


def test_a_model_that_knows_its_classes_obeys(data, judge, tmp_path):
    model = split_by_sign(data, tilted())
    model.encoder = _signs(judge)
    found = quick()(evaluation_of(model, data, tmp_path))
    assert found["accuracy_controlled"].value > 0.95
    assert found["accuracy_positive_greedy"].value > 0.95
    assert found["accuracy_at_0"].value == pytest.approx(0.5, abs=0.11)
    assert found["accuracy_at_1"].value > 0.95
    assert found["real/accuracy_controlled"].value == 1 and found["real/fppl_positive"].n <= 200
    assert found["real/in_train_controlled"].value == 1
    assert found["fppl_uncontrolled"].n == 200 and found["fppl_controlled"].n == 200
    text = (tmp_path / "control.md").read_text()
    assert text.count("\n- ") == 6 * 8 and "## positive, greedy" in text
    assert (tmp_path / "figures" / "strength.png").is_file()


def _signs(judge):
    """Codes of sentences: z0 is 2 for the positive ones and -2 for the others."""

    class Signs(torch.nn.Module):
        latent_dim = 2

        def forward(self, x, context=None):
            sign = 4.0 * judge([row[row > 0] for row in x]) - 2
            mean = torch.stack([sign, torch.zeros(len(x))], 1)
            return torch.distributions.Independent(torch.distributions.Normal(mean, 0.3), 1)

    return Signs()


def test_a_model_without_classes_is_asked_through_a_classifier_of_its_codes(data, judge, tmp_path):
    model = split_by_sign(data, GaussianPrior(2))
    assert CodeClasses.of(evaluation_of(model, data, tmp_path)) is None  # no encoder to learn from
    plain = quick(strengths=[])(evaluation_of(model, data, tmp_path))
    assert "accuracy_controlled" not in plain and plain["fppl_uncontrolled"].value > 1
    model.encoder = _signs(judge)
    model.inference = Amortized()
    found = quick(strengths=[], control_strength=3)(evaluation_of(model, data, tmp_path))
    assert found["code_accuracy"].value == 1
    assert "logistic regression on the codes of 300" in found["code_accuracy"].extra["by"]
    assert found["accuracy_positive"].value > 0.9 and found["accuracy_negative"].value > 0.9


def test_a_language_model_without_codes_is_not_asked(data, tmp_path):
    decoder = SequenceDecoder(0, len(data.tokenizer), embed_dim=8, hidden=8, max_length=6)
    found = quick()(evaluation_of(LatentEBM(GaussianPrior(0), decoder), data, tmp_path))
    own = {name for name in found if not name.startswith("real/")}
    assert own and all(name.endswith("_uncontrolled") for name in own)


def test_wrong_options_and_data(data, tmp_path):
    with pytest.raises(UsageError, match="control_samples = 1 is too small; use at least 2"):
        ControlledText(control_samples=1)
    with pytest.raises(UsageError, match=r"evaluation.strengths = \[1.0, 1.0\]"):
        ControlledText(strengths=[1.0, 1.0])
    with pytest.raises(UsageError, match=r"evaluation.control_strength = \[-1\]"):
        ControlledText(control_strength=-1)
    bare = TextDataset(data.tokenizer, {s: [[4, 5]] for s in SPLITS}, {})
    with pytest.raises(UsageError, match="text.control needs a data set with classes"):
        quick()(evaluation_of(LatentEBM(GaussianPrior(0), None), bare, tmp_path))
