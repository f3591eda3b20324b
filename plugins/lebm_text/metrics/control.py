"""text.control: sentences controlled to be of a class: are they, are they fluent, do they differ?

Accuracy alone is won by one sentence a class, repeated (accuracy 1, self-BLEU 100). So fluency and
diversity are reported with it, next to those of samples of the same model without a control: at
strength 1 the classes, in the shares of the training text, are that model's own samples once more,
so the difference is the cost of the control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from lebm_core.base.checks import at_least
from lebm_core.control.base import Control
from lebm_core.data.dataset import subset
from lebm_core.data.labels import labels_of
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths, curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.registry.parts import Table
from lebm_core.sequences.dataset import TokenDataset, rows_of
from lebm_text.evaluators.language_model import EvaluatorOptions
from lebm_text.metrics.classes.code_classes import CodeClasses
from lebm_text.metrics.control_scores import ControlScores

__all__ = ["ControlledText"]

AT_ONCE = 1000  # samples drawn together; their pool of chains is twice as large
SHOWN = 8  # sentences of each class in control.md
CURVE = ("accuracy", "fppl", "distinct_2", "self_bleu")
JUDGE = EvaluatorOptions()


@dataclass(frozen=True)
class ControlledText:
    """The metric text.control.

    Attributes:
        control_samples: sentences controlled to be of each class, and as many without a control
        control_strength: strength of the control; 1 is Bayes' rule
        strengths: of the curve of strength against class, fluency and diversity; empty for none
        strength_samples: sentences of each class at each of them
        code_sentences: real sentences whose class is predicted from their codes
        evaluator: the language model that judges fluency

    Raises:
        UsageError: for samples or strengths that are not possible.
    """

    control_samples: int = 2000
    control_strength: float = 1.0
    strengths: Sequence[float] = (0.0, 0.5, 1.0, 2.0, 4.0)
    strength_samples: int = 1000
    code_sentences: int = 5000
    evaluator: Annotated[EvaluatorOptions, Table()] = JUDGE

    def __post_init__(self) -> None:
        for name in ("control_samples", "strength_samples", "code_sentences"):
            at_least(f"evaluation.{name}", getattr(self, name), 2)
        checked_strengths([self.control_strength], "evaluation.control_strength")
        if self.strengths:
            checked_strengths(self.strengths)

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return the scores of the model or baseline, in the row "real" those of real sentences.

        Their names end in _controlled (the classes together), in a class, or in _uncontrolled; and
        in _greedy where decoding is. A model without classes is controlled by a classifier of
        its codes, one without codes is not controlled.

        Raises:
            UsageError: where the data set has no classes, or the split lacks one.
        """
        data, model = evaluation.need(TokenDataset, "text.control"), evaluation.model
        if not data.classes:
            raise UsageError("text.control needs a data set with classes, text.yelp_shen for one.")
        scores = ControlScores.of(evaluation, data, self.evaluator)
        values: dict[str, Value] = {}
        shown: dict[str, list[str]] = {}
        codes = CodeClasses.of(evaluation) if model.latent_dim else None
        if codes is not None:
            values["code_accuracy"] = codes.accuracy(evaluation, self.code_sentences)
        for greedy, end in ((False, ""), (True, "_greedy")):
            facts = {"decoding": "greedy" if greedy else "multinomial"}
            if greedy and not model.latent_dim:
                continue  # the same sentence each time
            if codes is not None:
                controls = [codes.control(c, float(self.control_strength)) for c in scores.ids]
                rows = [_draw(evaluation, self.control_samples, [c], greedy) for c in controls]
                for name, some in zip(data.classes, rows, strict=True):
                    shown[name + end] = scores.sentences(some[:SHOWN])
                settings = facts | {"strength": float(self.control_strength)}
                by_class = scores.by_class(rows, "samples", settings, each=not greedy)
                values |= {name + end: value for name, value in by_class.items()}
            free = _draw(evaluation, self.control_samples, [], greedy)
            shown["uncontrolled" + end] = scores.sentences(free[:SHOWN])
            plain = scores.plain(free, "samples", facts)
            values |= {f"{name}_uncontrolled{end}": value for name, value in plain.items()}
        if evaluation.name == "model":
            real = self._real(evaluation, scores)
            values |= in_row("real", real)
            if codes is not None and self.strengths:
                values |= self._curve(evaluation, scores, codes, real["accuracy_controlled"])
        _write(evaluation, shown)
        return values

    def _real(self, evaluation: Evaluation, scores: ControlScores) -> dict[str, Value]:
        """The scores of as many real sentences of each class; the accuracy is on all of them."""
        data, split = scores.data, evaluation.split
        every, y = data.rows(split), labels_of(data, split)
        whole = [[every[i] for i in (y == c).nonzero().squeeze(1).tolist()] for c in scores.ids]
        for name, rows in zip(data.classes, whole, strict=True):
            if len(rows) < 2:
                raise UsageError(f'The {split} split has no two sentences of the class "{name}".')
        some = [
            [rows[i] for i in subset(len(rows), self.control_samples, evaluation.seed).tolist()]
            for rows in whole
        ]
        return scores.by_class(some, split, {}) | scores.accuracy(whole, split, {})

    def _curve(
        self, evaluation: Evaluation, scores: ControlScores, codes: CodeClasses, right: Value
    ) -> dict[str, Value]:
        """The scores of `CURVE` at each strength, and a figure of them.

        Args:
            evaluation, scores, codes: of the model.
            right: the classifier's accuracy on real sentences.
        """
        data, swept, n = scores.data, {}, self.strength_samples
        for strength in checked_strengths(self.strengths):
            evaluation.log(f"{evaluation.name}: control of strength {strength:g}")
            rows = [_draw(evaluation, n, [codes.control(c, strength)], False) for c in scores.ids]
            facts = {"decoding": "multinomial", "strength": strength}
            by_class = scores.by_class(rows, "samples", facts, each=False)
            swept[strength] = {name: by_class[f"{name}_controlled"] for name in CURVE}
            swept[strength] |= {f"accuracy_{c}": by_class[f"accuracy_{c}"] for c in data.classes}
        every = data.rows(evaluation.split)
        some = subset(len(every), n, evaluation.seed).tolist()
        real = scores.plain([every[i] for i in some], evaluation.split, {}) | {"accuracy": right}
        levels = {name: value.value for name, value in real.items() if value.value is not None}
        file = curve_figure(swept, CURVE, evaluation.folder / "figures" / "strength.png", levels)
        caption = (
            f"Strength of the control against accuracy, forward perplexity, distinct 2-grams and "
            f"self-BLEU, {n} sentences of each class; dashed: as many real ones."
        )
        evaluation.figure(file, caption)
        return curve_values(swept)


def _draw(evaluation: Evaluation, n: int, control: Sequence[Control], greedy: bool) -> list[Tensor]:
    x = evaluation.model.sample(
        n, control=control, generator=evaluation.generator, batch_size=AT_ONCE, greedy=greedy
    )
    return rows_of(x)


def _write(evaluation: Evaluation, shown: dict[str, list[str]]) -> None:
    """Write control.md to the model's folder: the first sentences of each kind, none chosen."""
    lines = ["# Sentences by class", ""]
    for name, sentences in shown.items():
        lines += [f"## {name.replace('_', ', ')}", "", *(f"- {s}" for s in sentences), ""]
    evaluation.folder.mkdir(parents=True, exist_ok=True)
    (evaluation.folder / "control.md").write_text("\n".join(lines), encoding="utf-8")
