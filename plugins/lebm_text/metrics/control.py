"""text.control: sentences asked to be of a class. Are they, are they fluent, do they differ?

Accuracy alone is won by one sentence a class said again and again (accuracy 1, self-BLEU 100). So
fluency and diversity stand beside it, next to the same figures of samples of the same model that
nothing was asked of: at strength 1 the classes, in the shares of the training text, are that
model's own samples once more, so what is lost against them is the price of asking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from lebm_core.control.controls import Control
from lebm_core.data.dataset import subset
from lebm_core.data.labels import labels_of
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import rows_of
from lebm_text.evaluators.language_model import LanguageModelOptions
from lebm_text.metrics.base import text_of
from lebm_text.metrics.classes.code_classes import CodeClasses
from lebm_text.metrics.control_scores import TextJudges, judges_of

__all__ = ["ControlledText", "build"]

AT_ONCE = 1000  # samples drawn together; their pool of chains is twice as large
SHOWN = 8  # sentences of each class in control.md
CURVE = ("accuracy", "fppl", "distinct_2", "self_bleu")
Rows = Sequence[Tensor]


def build(
    *,
    control_samples: int = 2000,
    control_strength: float = 1.0,
    strengths: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0),
    strength_samples: int = 1000,
    code_sentences: int = 5000,
    evaluator_embedding: int = 256,
    evaluator_hidden: int = 512,
    evaluator_dropout: float = 0.5,
    evaluator_epochs: int = 12,
    evaluator_batch: int = 32,
    evaluator_lr: float = 3e-3,
) -> ControlledText:
    """The metric text.control.

    Args:
        control_samples: sentences asked of each class, and as many that nothing is asked of
        control_strength: strength of the control; 1 is Bayes' rule
        strengths: of the curve of strength against class, fluency and diversity; empty for none
        strength_samples: sentences of each class at each of them
        code_sentences: real sentences whose class is told from their codes
        evaluator_embedding: width of the language model's embedding
        evaluator_hidden: width of the LSTM that judges samples
        evaluator_dropout: dropout of the language model
        evaluator_epochs: epochs on the real training text
        evaluator_batch: sentences in a batch of its training
        evaluator_lr: its highest learning rate
    """
    for name, value in (
        ("control_samples", control_samples), ("strength_samples", strength_samples),
        ("code_sentences", code_sentences),
    ):  # fmt: skip
        if value < 2:
            raise UsageError(f"evaluation.{name} = {value} must be at least 2.")
    options = LanguageModelOptions(
        embedding=evaluator_embedding,
        hidden=evaluator_hidden,
        dropout=evaluator_dropout,
        epochs=evaluator_epochs,
        batch_size=evaluator_batch,
        lr=evaluator_lr,
    )
    return ControlledText(
        control_samples,
        checked_strengths([control_strength], "evaluation.control_strength")[0],
        checked_strengths(strengths) if strengths else [],
        strength_samples,
        code_sentences,
        options,
    )


@dataclass
class ControlledText:
    """See `build` for the fields."""

    n: int
    strength: float
    strengths: Sequence[float]
    n_strength: int
    n_codes: int
    options: LanguageModelOptions

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """The figures of the model or control, in the row "real" those of real sentences.

        Their names end in _controlled (the classes together), in a class, or in _uncontrolled; and
        in _greedy where decoding is. A model without classes is asked through a classifier of
        its codes, one without codes is not asked.

        Raises:
            UsageError: where the data set has no classes, or the split lacks one.
        """
        data, model = text_of(evaluation), evaluation.model
        if not data.classes:
            raise UsageError("text.control needs a data set with classes, text.yelp_shen for one.")
        judges = judges_of(evaluation, data, self.options)
        values: dict[str, Value] = {}
        shown: dict[str, list[str]] = {}
        codes = CodeClasses.of(evaluation) if model.latent_dim else None
        if codes is not None:
            values["code_accuracy"] = codes.accuracy(evaluation, self.n_codes)
        for greedy, end in ((False, ""), (True, "_greedy")):
            facts = {"decoding": "greedy" if greedy else "multinomial"}
            if greedy and not model.latent_dim:
                continue  # one sentence, again and again
            if codes is not None:
                asked = [codes.control(c, self.strength) for c in range(len(data.classes))]
                rows = [_draw(evaluation, self.n, [control], greedy) for control in asked]
                for name, some in zip(data.classes, rows, strict=True):
                    shown[name + end] = judges.sentences(some[:SHOWN])
                said = facts | {"strength": self.strength}
                found = judges.by_class(rows, "samples", said, each=not greedy)
                values |= {name + end: value for name, value in found.items()}
            free = _draw(evaluation, self.n, [], greedy)
            shown["uncontrolled" + end] = judges.sentences(free[:SHOWN])
            found = judges.plain(free, "samples", facts)
            values |= {f"{name}_uncontrolled{end}": value for name, value in found.items()}
        if evaluation.name == "model":
            real = self._real(evaluation, judges)
            values |= {f"real/{name}": value for name, value in real.items()}
            if codes is not None and self.strengths:
                values |= self._curve(evaluation, judges, codes, real["accuracy_controlled"])
        _write(evaluation, shown)
        return values

    def _real(self, evaluation: Evaluation, judges: TextJudges) -> dict[str, Value]:
        """As many real sentences of each class; the judge's accuracy is on all of them."""
        data, split = text_of(evaluation), evaluation.split
        every, y = data.rows(split), labels_of(data, split)
        whole = [[every[i] for i in (y == c).nonzero().squeeze(1).tolist()] for c in judges.ids]
        for name, rows in zip(data.classes, whole, strict=True):
            if len(rows) < 2:
                raise UsageError(f'The {split} split has no two sentences of the class "{name}".')
        some = [
            [rows[i] for i in subset(len(rows), self.n, evaluation.seed).tolist()] for rows in whole
        ]
        return judges.by_class(some, split, {}) | judges.accuracy(whole, split, {})

    def _curve(
        self, evaluation: Evaluation, judges: TextJudges, codes: CodeClasses, right: Value
    ) -> dict[str, Value]:
        """The figures of `CURVE` at each strength, and a picture of them.

        Args:
            evaluation, judges, codes: of the model.
            right: the judge's accuracy on real sentences.
        """
        data, swept = text_of(evaluation), {}
        for strength in self.strengths:
            evaluation.log(f"{evaluation.name}: control of strength {strength:g}")
            rows = [
                _draw(evaluation, self.n_strength, [codes.control(c, strength)], False)
                for c in judges.ids
            ]
            facts = {"decoding": "multinomial", "strength": strength}
            found = judges.by_class(rows, "samples", facts, each=False)
            swept[strength] = {name: found[f"{name}_controlled"] for name in CURVE}
            swept[strength] |= {f"accuracy_{c}": found[f"accuracy_{c}"] for c in data.classes}
        every = data.rows(evaluation.split)
        some = subset(len(every), self.n_strength, evaluation.seed).tolist()
        real = judges.plain([every[i] for i in some], evaluation.split, {}) | {"accuracy": right}
        levels = {name: value.value for name, value in real.items() if value.value is not None}
        file = curve_figure(swept, CURVE, evaluation.folder / "figures" / "strength.png", levels)
        caption = (
            f"Strength of the control against accuracy, forward perplexity, distinct 2-grams and "
            f"self-BLEU, {self.n_strength} sentences of each class; dashed: as many real ones."
        )
        evaluation.figure(file, caption)
        return curve_values(swept)


def _draw(evaluation: Evaluation, n: int, control: Sequence[Control], greedy: bool) -> list[Tensor]:
    x = evaluation.model.sample(
        n, control=control, generator=evaluation.generator, batch_size=AT_ONCE, greedy=greedy
    )
    return rows_of(x)


def _write(evaluation: Evaluation, shown: dict[str, list[str]]) -> None:
    """control.md in the model's folder: the first sentences of each kind, none chosen."""
    lines = ["# Sentences by class", ""]
    for name, sentences in shown.items():
        lines += [f"## {name.replace('_', ', ')}", "", *(f"- {s}" for s in sentences), ""]
    evaluation.folder.mkdir(parents=True, exist_ok=True)
    (evaluation.folder / "control.md").write_text("\n".join(lines), encoding="utf-8")
