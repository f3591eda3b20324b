"""text.discovery: classes found without labels, held against attributes that training never saw.

Source: Pang and Wu 2021, arXiv 2108.11556, section 4.3, whose estimators are given beside pooled
ones; see `lebm_text.metrics.classes.cluster_agreement` for what is wrong with them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_text.data.labelled.dailydialog import DialogueDataset
from lebm_text.metrics.base import Figure, text_of
from lebm_text.metrics.classes.class_samples import ClassSamples
from lebm_text.metrics.classes.cluster_agreement import (
    agreement,
    batch_homogeneity,
    batch_information,
    information,
    mean_of,
)
from lebm_text.metrics.classes.clusters import (
    Assignment,
    assigned,
    clustered_codes,
    clustered_words,
)

__all__ = ["Discovery", "build"]

BATCHES = (30, 128)  # of the published estimates of mutual information
BATCH = BATCHES[0]  # of the published homogeneity
ENDINGS = {"": "argmax p(y | z), z sampled", "_of_x": "argmax p(y | x)"}
MEANINGS = {
    f"homogeneity_{BATCH}": "FLAWED, for comparison with published tables only: homogeneity, mean "
    f"over batches of {BATCH} utterances at random",
    "homogeneity": "1 - H(label | class) / H(label), over the whole split",
    "v_measure": "harmonic mean of homogeneity and completeness, over the whole split",
    "ami": "adjusted mutual information, 0 by chance, over the whole split",
}


def build(
    *,
    discovery_draws: int = 10,
    discovery_fit: int = 20_000,
    discovery_resamples: int = 50,
    discovery_permutations: int = 10,
    discovery_classes: int = 10,
    discovery_samples: int = 30,
    strengths: list[float] = [0.0, 1.0, 2.0, 4.0],  # noqa: B006
    evaluator_embedding: int = 128,
    evaluator_hidden: int = 256,
    evaluator_dropout: float = 0.3,
    evaluator_epochs: int = 2,
    evaluator_batch: int = 64,
    evaluator_lr: float = 4e-3,
) -> Discovery:
    """The metric text.discovery, for a data set with attributes.

    Args:
        discovery_draws: codes of an utterance that p(y | x) is the mean over
        discovery_fit: training utterances that k-means is fitted to
        discovery_resamples: dialogues are drawn again so often for the standard errors
        discovery_permutations: random assignments, whose mean is given
        discovery_classes: how many of the largest classes are sampled from
        discovery_samples: utterances drawn of each of them at each strength
        strengths: of the control "of class k"; 0 is no control
        evaluator_embedding: width of the embedding of the language model that judges them
        evaluator_hidden: width of its LSTM
        evaluator_dropout: its dropout
        evaluator_epochs: its epochs on the training text
        evaluator_batch: utterances in a batch of its training
        evaluator_lr: its highest learning rate
    """
    for name, value, least in (
        ("discovery_draws", discovery_draws, 1), ("discovery_fit", discovery_fit, 1),
        ("discovery_resamples", discovery_resamples, 0),
        ("discovery_permutations", discovery_permutations, 1),
        ("discovery_classes", discovery_classes, 0), ("discovery_samples", discovery_samples, 1),
    ):  # fmt: skip
        if value < least:
            raise UsageError(f"evaluation.{name} = {value} must be at least {least}.")
    from lebm_text.evaluators.language_model import LanguageModelOptions

    judge = LanguageModelOptions(
        evaluator_embedding, evaluator_hidden, evaluator_dropout, evaluator_epochs,
        evaluator_batch, evaluator_lr,
    )  # fmt: skip
    samples = ClassSamples(
        discovery_classes, discovery_samples, checked_strengths(strengths), discovery_draws, judge
    )
    return Discovery(
        discovery_draws, discovery_fit, discovery_resamples, discovery_permutations, samples
    )


@dataclass
class Discovery:
    """See `build` for the fields."""

    draws: int
    n_fit: int
    resamples: int
    permutations: int
    samples: ClassSamples

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Figures of the model's classes or clusters; with the model those of two baselines."""
        data = text_of(evaluation)
        if not isinstance(data, DialogueDataset):
            raise UsageError(
                "text.discovery needs a data set whose attributes are known, text.dailydialog, not "
                f"{type(data).__name__}."
            )
        model, split = evaluation.model, evaluation.split
        # Batches at random: one of like lengths, or of one dialogue, would be of like labels too.
        shuffle = torch.Generator().manual_seed(evaluation.seed)
        rows = torch.randperm(data.length(split), generator=shuffle)
        # The run's model is judged before its controls, which have as many clusters.
        known = evaluation.cache / f"classes-in-use-{split}.json"
        if model.prior.n_classes:
            found = assigned(evaluation, rows, self.draws)
        elif model.encoder is not None:
            own = evaluation.recipe.prior.n_classes
            n = json.loads(known.read_text()) if known.is_file() else own
            found = clustered_codes(evaluation, rows, n, self.n_fit)
        else:
            return {}
        values = self._figures(data, split, rows, found, evaluation.seed)
        if evaluation.name == "model":
            permuted = self._permuted(data, split, rows, found, evaluation.seed)
            values |= {f"random/{name}": value for name, value in permuted.items()}
            used = len(found.of_x.unique())
            known.write_text(json.dumps(used))
            words = clustered_words(evaluation, data, rows, used, self.n_fit)
            plain = self._figures(data, split, rows, words, evaluation.seed)
            values |= {f"k_means/{name}": value for name, value in plain.items()}
        if model.prior.n_classes and self.samples.n_classes:
            classes = torch.empty_like(found.of_x)
            classes[rows] = found.of_x  # back to the order of the file
            values |= self.samples(evaluation, data, classes)
        return values

    def _figures(
        self, data: DialogueDataset, split: str, rows: Tensor, found: Assignment, seed: int
    ) -> dict[str, Value]:
        """Every estimator, for the classes of a sampled code and for those of x."""
        n = len(rows)
        values = _information(found.p, split)
        agreed = _agreed(data, split, rows, found, self.resamples, seed)
        values |= {key: _value(figure, n, split, _meaning(key)) for key, figure in agreed.items()}
        for ending, ids in _ids(found).items():
            share = torch.bincount(ids).double() / n
            values[f"classes_in_use{ending}"] = Value(
                float((share > 0).sum()), None, n, split,
                f"classes with an utterance; {ENDINGS[ending]}.",
            )  # fmt: skip
            values[f"class_entropy{ending}"] = Value(
                max(0.0, -float(torch.xlogy(share, share).sum())), None, n, split,
                f"entropy of the shares of the classes, nats; {ENDINGS[ending]}.",
            )  # fmt: skip
        return values

    def _permuted(
        self, data: DialogueDataset, split: str, rows: Tensor, found: Assignment, seed: int
    ) -> dict[str, Value]:
        """The same classes handed out at random: means over permutations of the utterances."""
        n = len(rows)
        generator = torch.Generator().manual_seed(seed)
        drawn: dict[str, list[float]] = {}
        texts: dict[str, str] = {}
        for _ in range(self.permutations):
            mixed = torch.randperm(n, generator=generator)
            other = Assignment(found.p[mixed], found.of_x[mixed])
            for key, value in _information(other.p, split).items():
                drawn.setdefault(key, []).append(value.value or 0.0)
                texts[key] = value.definition
            for key, figure in _agreed(data, split, rows, other, 0, seed).items():
                drawn.setdefault(key, []).append(figure.value)
                texts[key] = _meaning(key)
        return {
            key: _value(mean_of(torch.tensor(each)), n, split, f"{texts[key]} Permuted.")
            for key, each in drawn.items()
        }


def _ids(found: Assignment) -> dict[str, Tensor]:
    """The classes by the ending of their figures' names."""
    return {"": found.p.argmax(1), "_of_x": found.of_x}


def _agreed(
    data: DialogueDataset, split: str, rows: Tensor, found: Assignment, resamples: int, seed: int
) -> dict[str, Figure]:
    """The published estimator and the pooled ones, for each attribute where it is known."""
    figures: dict[str, Figure] = {}
    for ending, ids in _ids(found).items():
        for name, known in data.attributes.items():
            labels = known[split][rows]
            at = (labels >= 0).nonzero().squeeze(1)
            groups = data.dialogues[split][rows][at]
            pooled = agreement(labels[at], ids[at], groups, resamples=resamples, seed=seed)
            published = batch_homogeneity(labels[at], ids[at], BATCH)
            for key, figure in zip(MEANINGS, (published, *pooled), strict=True):
                figures[f"{name}_{key}{ending}"] = figure
    return figures


def _information(p: Tensor, split: str) -> dict[str, Value]:
    text = "I(z; y) in nats, H(mean p(y | z)) - mean H(p(y | z)), one z a sentence"
    values = {
        f"information_{size}": _value(
            batch_information(p, size), len(p), split,
            f"{text}, mean over batches of {size}, as published: at most log {size} = "
            f"{math.log(size):.2f}.",
        )
        for size in BATCHES
    }  # fmt: skip
    values["information"] = _value(information(p), len(p), split, f"{text}, over the whole split.")
    return values


def _meaning(key: str) -> str:
    """What a figure of agreement is, from its name."""
    ending = "_of_x" if key.endswith("_of_x") else ""
    name = key.removesuffix(ending).partition("_")[2]
    return f"{MEANINGS[name]}; {ENDINGS[ending]}."


def _value(figure: Figure, n: int, split: str, text: str) -> Value:
    error = None if math.isnan(figure.error) else figure.error
    return Value(figure.value, error, n, split, text)
