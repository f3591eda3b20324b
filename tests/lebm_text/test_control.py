"""text.control: who judges, what the figures are, and that a model does what it is asked."""

from __future__ import annotations

import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lebm_core import CoupledPrior, GaussianPrior, LatentEBM, SequenceDecoder
from lebm_core.data.dataset import SPLITS
from lebm_core.data.files import DataFiles
from lebm_core.errors import UsageError
from lebm_core.latent.amortized import Amortized
from lebm_core.run.build import build_metrics, check_recipe
from lebm_core.run.old.recipe import apply, load
from lebm_core.sequences.tokens import EOS
from lebm_text.data.dataset import TextDataset
from lebm_text.data.labelled.yelp import yelp_shen
from lebm_text.data.vocabulary import Vocabulary
from lebm_text.evaluators.class_classifier import ClassJudge, class_judge
from lebm_text.evaluators.language_model import LanguageModel, LanguageModelOptions
from lebm_text.metrics.classes.code_classes import CodeClasses
from lebm_text.metrics.control import build
from lebm_text.metrics.control_scores import TextJudges

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


@pytest.fixture
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


def judge_for(data):
    return ClassJudge.fit(data.rows("train"), data.labels["train"], len(data.tokenizer), 2)


def test_the_judge_reads_pairs_of_words(data):
    judge = judge_for(data)
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
    judge = ClassJudge.fit(rows, y, len(WORDS) + 4, 3)
    assert judge(ids("good", "bad", "food", "good food")).tolist() == [0, 1, 2, 0]
    with pytest.raises(UsageError, match="3 classes needs .*: 2 have some"):
        ClassJudge.fit(rows, y.clamp(max=1), len(WORDS) + 4, 3)


def test_a_pair_does_not_reach_over_the_end_of_a_sentence(data):
    judge = judge_for(data)
    two = judge.occurring(ids("it was very", "good food")).toarray()
    apart = [judge.occurring(ids(each)).toarray()[0] for each in ("it was very", "good food")]
    assert (two == apart).all() and two[0].any()


def evaluation_of(model, data, folder, split="test"):
    return SimpleNamespace(
        model=model, dataset=data, split=split, seed=0, cache=folder / "cache", folder=folder,
        generator=torch.Generator().manual_seed(0), log=lambda line: None, name="model", figures=[],
        recipe=None, figure=lambda file, caption: None,
    )  # fmt: skip


def test_the_judge_is_kept_and_a_damaged_one_is_learned_anew(data, tmp_path):
    first = class_judge(evaluation_of(None, data, tmp_path))
    (file,) = (tmp_path / "cache" / "evaluators").glob("class-judge-*.safetensors")
    told: list[str] = []
    evaluation = evaluation_of(None, data, tmp_path)
    evaluation.log = told.append
    again = class_judge(evaluation)
    assert not told and (again.weight == first.weight).all() and (again.bias == first.bias).all()
    file.write_bytes(file.read_bytes()[:100])
    again = class_judge(evaluation)
    assert len(told) == 1 and (again.weight == first.weight).all()


def judges_for(data):
    torch.manual_seed(0)
    language = LanguageModel(len(data.tokenizer), LanguageModelOptions(embedding=8, hidden=8))
    known = {tuple(row.tolist()[:-1]) for row in data.rows("train")}
    return TextJudges(language.eval(), judge_for(data), data, [0.25, 0.75], known)


def test_a_sentence_said_again_and_again_wins_accuracy_alone(data):
    rows = [ids("it was very bad") * 40, ids("it was very good") * 40]
    found = judges_for(data).by_class(rows, "samples", {"strength": 1.0})
    assert found["accuracy_controlled"].value == found["accuracy_negative"].value == 1
    assert found["self_bleu_positive"].value == pytest.approx(100)
    assert found["unique_positive"].value == 1 / 40
    assert found["distinct_2_positive"].value == 3 / (3 * 40)
    assert found["mean_length_positive"].value == 5


def test_classes_are_put_together_in_the_shares_of_the_training_text(data):
    bad, good = ids("very bad", "not good"), ids("food very good", "food very bad")
    rows = [bad * 30, good * 30]
    found = judges_for(data).by_class(rows, "samples", {})
    assert found["accuracy_negative"].value == 1 and found["accuracy_positive"].value == 0.5
    overall = found["accuracy_controlled"]
    assert overall.value == 0.75 and overall.n == 120  # the mean of the classes, however many
    assert overall.standard_error == pytest.approx((0.25 / 60) ** 0.5 / 2)
    assert found["fppl_controlled"].n == 60  # 15 of the one, 45 of the other
    assert found["mean_length_controlled"].value == 0.25 * 3 + 0.75 * 4
    assert "fppl_positive" not in judges_for(data).by_class(rows, "samples", {}, each=False)


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
    prior = CoupledPrior(2, 2, hidden=[], steps=40, step_size=0.4)
    with torch.no_grad():
        for part in prior.parameters():
            part.zero_()
        weight = next(p for p in prior.parameters() if p.ndim == 2)
        weight[0, 0], weight[1, 0] = -4.0, 4.0
    return prior


def quick(**options):
    small = {"evaluator_embedding": 8, "evaluator_hidden": 8, "evaluator_epochs": 1}
    sizes = {"control_samples": 200, "strength_samples": 100, "code_sentences": 50}
    return build(**(small | sizes | {"strengths": [0.0, 1.0]} | options))


def test_a_model_that_knows_its_classes_obeys(data, tmp_path):
    model = split_by_sign(data, tilted())
    model.encoder = _signs(data)
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


def _signs(data):
    """Codes of sentences: z0 is 2 for the positive ones and -2 for the others."""
    judge = judge_for(data)

    class Signs(torch.nn.Module):
        latent_dim = 2

        def forward(self, x, context=None):
            sign = 4.0 * judge([row[row > 0] for row in x]) - 2
            mean = torch.stack([sign, torch.zeros(len(x))], 1)
            return torch.distributions.Independent(torch.distributions.Normal(mean, 0.3), 1)

    return Signs()


def test_a_model_without_classes_is_asked_through_a_classifier_of_its_codes(data, tmp_path):
    model = split_by_sign(data, GaussianPrior(2))
    assert CodeClasses.of(evaluation_of(model, data, tmp_path)) is None  # no encoder to learn from
    plain = quick(strengths=[])(evaluation_of(model, data, tmp_path))
    assert "accuracy_controlled" not in plain and plain["fppl_uncontrolled"].value > 1
    model.encoder = _signs(data)
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
    with pytest.raises(UsageError, match="control_samples = 1 must be at least 2"):
        build(control_samples=1)
    with pytest.raises(UsageError, match=r"evaluation.strengths = \[1.0, 1.0\]"):
        build(strengths=[1.0, 1.0])
    with pytest.raises(UsageError, match=r"evaluation.control_strength = \[-1\]"):
        build(control_strength=-1)
    bare = TextDataset(data.tokenizer, {s: [[4, 5]] for s in SPLITS}, {})
    with pytest.raises(UsageError, match="text.control needs a data set with classes"):
        quick()(evaluation_of(LatentEBM(GaussianPrior(0), None), bare, tmp_path))


def yelp_files(folder):
    """30 sentences a class and part; half of the test part's are in the dev part too."""
    (folder / "yelp_shen2017").mkdir()
    for label, word in enumerate(("bad", "good")):
        for part, first in (("dev", 0), ("test", 15)):
            lines = [f"{' '.join(f'{i:06b}')} is {word}\n" for i in range(first, first + 30)]
            name = f"sentiment.{part}.{label}"
            (folder / "yelp_shen2017" / name).write_text("".join(lines))
    return DataFiles(folder)


def sentences_of(data, split):
    return data.sentences(data.batch(split, torch.arange(data.length(split))).x)


def test_the_two_parts_of_yelp_are_cut_so_that_no_sentence_is_in_two_splits(tmp_path):
    data = yelp_shen(files=yelp_files(tmp_path), seed=0, min_count=1)
    assert data.classes == list(CLASSES) and data.length("train") == 30
    assert data.length("valid") + data.length("test") == 60
    assert min(data.length("valid"), data.length("test")) > 15
    rows = {split: set(sentences_of(data, split)) for split in SPLITS}
    assert len(rows["train"] | rows["valid"] | rows["test"]) == 90  # none is in two of them
    assert data.summary["training sentences left out"]["together"] == 30
    assert "not the published one" in data.summary["splits"]
    for split in SPLITS:
        text, y = sentences_of(data, split), data.labels[split].tolist()
        assert all(s.endswith(("bad", "good")[c]) for s, c in zip(text, y, strict=True))
    few = yelp_shen(files=DataFiles(tmp_path), seed=0, train_lines=12)
    assert 0 < int(few.labels["train"].sum()) < 12  # the first lines are of both classes


def test_yelp_itself():
    if not (Path(os.environ.get("LEBM_DATA", "")) / "yelp_shen2017").is_dir():
        pytest.skip("LEBM_DATA has no yelp_shen2017")
    data = yelp_shen(files=DataFiles(), seed=0)
    assert [data.length(split) for split in SPLITS] == [113_320, 31_784, 31_699]
    assert len(data.tokenizer) == 8420 and data.max_length == 16
    assert data.labels["train"].double().mean() == pytest.approx(0.5868, abs=1e-4)
    rows = {s: {tuple(r.tolist()) for r in data.rows(s)} for s in SPLITS}
    whole = {row for row in rows["test"] if 3 not in row}
    assert not whole & rows["train"] and not whole & rows["valid"]


@pytest.mark.parametrize("preset", ["paper", "cpu", "smoke"])
def test_every_preset_and_control_resolves(preset):
    recipe = load("control-yelp", preset)
    check_recipe(recipe)
    assert recipe.prior.kind == "coupled" and recipe.learning.labels == 0
    assert list(build_metrics(recipe)) == ["text.control"]
    f0, lm, unfinished = (apply(recipe, recipe.controls[c]) for c in ("f0", "lm", "unfinished"))
    assert set(recipe.controls) == {"f0", "lm", "unfinished"}
    for name, each in (("f0", f0), ("lm", lm), ("unfinished", unfinished)):
        check_recipe(each, name)
    assert f0.prior.kind == "gaussian" and f0.decoder == recipe.decoder
    assert lm.prior.latent_dim == 0 and lm.encoder["name"] == ""
    assert unfinished.learning.finish_steps == 0 and unfinished.prior == recipe.prior
    assert recipe.published["SVEBM-IB"]["accuracy_negative_greedy"] == 0.852
