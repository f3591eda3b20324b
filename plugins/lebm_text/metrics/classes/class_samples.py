"""Samples of discovered classes: coherence with their class, fluency and diversity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.control.controls import ClassIs
from lebm_core.data.dataset import subset
from lebm_core.evaluation.curves import curve_figure, curve_values
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.sequences.dataset import rows_of
from lebm_core.sequences.tokens import EOS
from lebm_text.data.labelled.dailydialog import DialogueDataset
from lebm_text.evaluators.language_model import EvaluatorOptions, LanguageModel, score
from lebm_text.evaluators.training import language_model
from lebm_text.metrics.diversity_scores import distinct
from lebm_text.metrics.text_scores import lengths_of, perplexity

__all__ = ["ClassSamples", "described"]

SHOWN = 3  # utterances of each class in the file
PLAIN = 1.0  # the strength whose samples are shown


@dataclass(frozen=True)
class ClassSamples:
    """Samples of the largest classes.

    Attributes:
        n_classes: how many classes; 0 for no samples.
        n_samples: utterances of each class at each strength.
        strengths: in order.
        draws: codes that p(y | x) is the mean over.
        judge: the language model of the perplexity.
    """

    n_classes: int
    n_samples: int
    strengths: list[float]
    draws: int
    judge: EvaluatorOptions

    def __call__(
        self, evaluation: Evaluation, data: DialogueDataset, classes: Tensor
    ) -> dict[str, Value]:
        """Return coherence, perplexity and diversity by strength; write a file and a figure.

        Args:
            evaluation: of a model with a coupled prior.
            data: its data set.
            classes: (N,) the class of each utterance of the split.
        """
        counts = torch.bincount(classes)
        largest = counts.argsort(descending=True, stable=True)[: self.n_classes].tolist()
        largest = [k for k in largest if counts[k]]
        judge = language_model(evaluation, data, self.judge, data.rows("train"), "real text").model
        swept: dict[float, dict[str, Value]] = {}
        shown: dict[int, list[str]] = {}
        for strength in self.strengths:
            swept[strength], texts = self._at(evaluation, data, judge, largest, strength)
            if strength == PLAIN:
                shown = texts
        folder = evaluation.folder
        text = described(data, evaluation.split, classes, largest, shown, evaluation.seed)
        file = folder / "figures" / "discovered-classes.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        evaluation.figure(file, f"The {len(largest)} largest classes")
        every = data.rows(evaluation.split)
        some = subset(len(every), self.n_samples * len(largest), evaluation.seed).tolist()
        real = _quality(judge, [every[i] for i in some], evaluation.split, "real utterances")
        levels = {name: value.value for name, value in real.items() if value.value is not None}
        curve = folder / "figures" / "strength.png"
        evaluation.figure(
            curve_figure(swept, ["coherence", *real], curve, levels),
            "The strength of the control against how often samples are of their class by the "
            "model's own p(y | x), and against what that costs; dashed: real utterances.",
        )
        values = curve_values(swept)
        if evaluation.name == "model":
            values |= in_row("real", real)
        return values

    def _at(
        self,
        evaluation: Evaluation,
        data: DialogueDataset,
        judge: LanguageModel,
        classes: list[int],
        strength: float,
    ) -> tuple[dict[str, Value], dict[int, list[str]]]:
        """The scores at one strength, and the first samples of each class."""
        model, generator = evaluation.model, evaluation.generator
        again: list[Tensor] = []
        rows: list[Tensor] = []
        texts: dict[int, list[str]] = {}
        for k in classes:
            control = ClassIs(k, strength=strength)
            x = model.sample(self.n_samples, control=control, generator=generator)
            p = model.classify(x, draws=self.draws, generator=generator)
            again.append((p.argmax(1) == k).double().cpu())
            rows += rows_of(x)
            texts[k] = data.strings(x[:SHOWN])
        what = "utterances drawn of the largest classes"
        each = torch.stack(again)  # (classes, samples)
        error = None if each.shape[1] < 2 else float(each.var(1).mean() / each.numel()) ** 0.5
        coherence = Value(
            float(each.mean()), error, each.numel(), "samples",
            f"share of {what} whose argmax p(y | x), by the model's own encoder, is theirs.",
            better="higher",
        )  # fmt: skip
        return {"coherence": coherence, **_quality(judge, rows, "samples", what)}, texts


def _quality(judge: LanguageModel, rows: list[Tensor], split: str, what: str) -> dict[str, Value]:
    """Fluency and diversity of utterances given as ids with their ends."""
    words = [[i for i in row.tolist() if i != EOS] for row in rows]
    return {
        "fppl": Value(
            *perplexity(-score(judge, rows), lengths_of(rows)), len(rows), split,
            f"perplexity of {what} under a language model of the training text, ends included.",
        ),
        "distinct_2": Value(
            distinct(words, 2), None, len(rows), split,
            f"different pairs of words over all pairs, of {what}.", better="higher",
        ),
    }  # fmt: skip


def described(
    data: DialogueDataset,
    split: str,
    classes: Tensor,
    largest: list[int],
    samples: Mapping[int, list[str]],
    seed: int,
) -> str:
    """Describe each class: its share, its commonest act and emotion, real and drawn utterances.

    Args:
        data: the data set.
        split: the utterances shown are drawn at random from it.
        classes: (N,) the class of each.
        largest: which classes.
        samples: utterances drawn of each; none where it is missing.
        seed: of the choice.
    """
    lines = [f"Classes by p(y | x) of {len(classes)} utterances of the {split} split."]
    draw = torch.Generator().manual_seed(seed)
    for k in largest:
        members = (classes == k).nonzero().squeeze(1)
        about = []
        for name, ids in data.attributes.items():
            counts = Counter(i for i in ids[split][members].tolist() if i >= 0)
            if counts:
                best, count = counts.most_common(1)[0]
                about.append(f"{name} {data.names[name][best]} {count / counts.total():.2f}")
        share = len(members) / len(classes)
        lines.append(f"\nclass {k}: {share:.3f} of the utterances; {', '.join(about)}")
        some = members[torch.randperm(len(members), generator=draw)[:SHOWN]]
        lines += [f"  real   {text}" for text in data.strings(data.batch(split, some).x)]
        lines += [f"  drawn  {text}" for text in samples.get(k, [])]
    return "\n".join(lines) + "\n"
