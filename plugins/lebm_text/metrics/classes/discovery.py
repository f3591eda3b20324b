"""text.discovery: classes found without labels, compared with attributes unseen in training.

Source: Pang and Wu 2021, arXiv 2108.11556, section 4.3, whose estimators are given next to pooled
ones; see `lebm_text.metrics.classes.cluster_agreement` for their flaw.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from lebm_core.base.checks import at_least
from lebm_core.base.files import read_json, write_atomically
from lebm_core.errors import UsageError
from lebm_core.evaluation.curves import checked_strengths
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.registry.parts import Table
from lebm_text.data.labelled.dailydialog import DialogueDataset
from lebm_text.evaluators.language_model import EvaluatorOptions
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
from lebm_text.metrics.text_scores import Score

__all__ = ["Discovery"]

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
INFORMATION = "I(z; y)"
# It does not depend on x at all, and what is flawed is no aim.
NEITHER = (INFORMATION, "FLAWED")
LEAST = {
    "discovery_draws": 1, "discovery_fit": 1, "discovery_resamples": 0,
    "discovery_permutations": 1, "discovery_classes": 0, "discovery_samples": 1,
}  # fmt: skip
JUDGE = EvaluatorOptions(embedding=128, hidden=256, dropout=0.3, epochs=2, batch_size=64, lr=4e-3)


@dataclass(frozen=True)
class Discovery:
    """The metric text.discovery, for a data set with attributes.

    Attributes:
        discovery_draws: codes of an utterance that p(y | x) is the mean over
        discovery_fit: training utterances that k-means is fitted to
        discovery_resamples: bootstrap resamples of dialogues for the standard errors
        discovery_permutations: random assignments, whose mean is given
        discovery_classes: how many of the largest classes are sampled from
        discovery_samples: utterances drawn of each of them at each strength
        strengths: of the control "of class k"; 0 is no control
        evaluator: the language model that judges the samples

    Raises:
        UsageError: for options that are not possible.
    """

    discovery_draws: int = 10
    discovery_fit: int = 20_000
    discovery_resamples: int = 50
    discovery_permutations: int = 10
    discovery_classes: int = 10
    discovery_samples: int = 30
    strengths: Sequence[float] = (0.0, 1.0, 2.0, 4.0)
    evaluator: Annotated[EvaluatorOptions, Table()] = JUDGE

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            at_least(f"evaluation.{name}", getattr(self, name), least)
        checked_strengths(self.strengths)

    @property
    def samples(self) -> ClassSamples:
        """The scores of samples of the classes."""
        return ClassSamples(
            self.discovery_classes, self.discovery_samples, checked_strengths(self.strengths),
            self.discovery_draws, self.evaluator,
        )  # fmt: skip

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return scores of the model's classes or clusters; with the model those of two baselines.

        Clusters of a model without classes are as many as the classes in use of the run's model,
        which is evaluated before its baselines; without such a model as many as the values of the
        attribute that has the most.
        """
        data = evaluation.need(DialogueDataset, "text.discovery")
        model, split = evaluation.model, evaluation.split
        # Batches at random: batches of similar length, or of a dialogue, have similar labels.
        shuffle = torch.Generator().manual_seed(evaluation.seed)
        rows = torch.randperm(data.length(split), generator=shuffle)
        in_use = evaluation.cache / f"classes-in-use-{split}.json"
        if model.prior.n_classes:
            classes = assigned(evaluation, data, rows, self.discovery_draws)
        elif model.encoder is not None:
            most = max(map(len, data.names.values()), default=1)
            n = read_json(in_use).get("classes") if in_use.is_file() else most
            if not isinstance(n, int) or n < 1:
                raise UsageError(f"{in_use} is damaged: it holds no number of classes.")
            classes = clustered_codes(evaluation, data, rows, n, self.discovery_fit)
        else:
            return {}
        values = self._scores(data, split, rows, classes, evaluation.seed)
        if evaluation.name == "model":
            random = self._permuted(data, split, rows, classes, evaluation.seed)
            values |= in_row("random", random, "the model's classes, randomly permuted")
            n = len(classes.of_x.unique())
            evaluation.cache.mkdir(parents=True, exist_ok=True)
            write_atomically(in_use, json.dumps({"classes": n}))
            words = clustered_words(evaluation, data, rows, n, self.discovery_fit)
            clusters = self._scores(data, split, rows, words, evaluation.seed)
            values |= in_row("k_means", clusters, "k-means on x")
        if model.prior.n_classes and self.discovery_classes:
            of_x = torch.empty_like(classes.of_x)
            of_x[rows] = classes.of_x  # back to the order of the file
            values |= self.samples(evaluation, data, of_x)
        return values

    def _scores(
        self, data: DialogueDataset, split: str, rows: Tensor, classes: Assignment, seed: int
    ) -> dict[str, Value]:
        """Every estimator, for the classes of a sampled code and for those of x."""
        n = len(rows)
        values = _information(classes.p, split)
        agreed = _agreed(data, split, rows, classes, self.discovery_resamples, seed)
        values |= {key: _value(score, n, split, _meaning(key)) for key, score in agreed.items()}
        for ending, ids in _ids(classes).items():
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
        self, data: DialogueDataset, split: str, rows: Tensor, classes: Assignment, seed: int
    ) -> dict[str, Value]:
        """The same classes, randomly permuted over the utterances: means over permutations."""
        n = len(rows)
        generator = torch.Generator().manual_seed(seed)
        drawn: dict[str, list[float]] = {}
        texts: dict[str, str] = {}
        for _ in range(self.discovery_permutations):
            order = torch.randperm(n, generator=generator)
            permuted = Assignment(classes.p[order], classes.of_x[order])
            for key, value in _information(permuted.p, split).items():
                drawn.setdefault(key, []).append(value.value or 0.0)
                texts[key] = value.definition
            for key, score in _agreed(data, split, rows, permuted, 0, seed).items():
                drawn.setdefault(key, []).append(score.value)
                texts[key] = _meaning(key)
        return {
            key: _value(mean_of(torch.tensor(each)), n, split, f"{texts[key]} Permuted.")
            for key, each in drawn.items()
        }


def _ids(classes: Assignment) -> dict[str, Tensor]:
    """The classes by the ending of their scores' names."""
    return {"": classes.p.argmax(1), "_of_x": classes.of_x}


def _agreed(
    data: DialogueDataset, split: str, rows: Tensor, classes: Assignment, resamples: int, seed: int
) -> dict[str, Score]:
    """The published estimator and the pooled ones, for each attribute where it is known."""
    scores: dict[str, Score] = {}
    for ending, ids in _ids(classes).items():
        for name, known in data.attributes.items():
            labels = known[split][rows]
            at = (labels >= 0).nonzero().squeeze(1)
            groups = data.dialogues[split][rows][at]
            pooled = agreement(labels[at], ids[at], groups, resamples=resamples, seed=seed)
            published = batch_homogeneity(labels[at], ids[at], BATCH)
            for key, score in zip(MEANINGS, (published, *pooled), strict=True):
                scores[f"{name}_{key}{ending}"] = score
    return scores


def _information(p: Tensor, split: str) -> dict[str, Value]:
    text = f"{INFORMATION} in nats, H(mean p(y | z)) - mean H(p(y | z)), one z a sentence"
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
    """The definition of a score of agreement, from its name."""
    ending = "_of_x" if key.endswith("_of_x") else ""
    name = key.removesuffix(ending).partition("_")[2]
    return f"{MEANINGS[name]}; {ENDINGS[ending]}."


def _value(score: Score, n: int, split: str, text: str) -> Value:
    error = None if math.isnan(score.error) else score.error
    better = "" if text.startswith(NEITHER) else "higher"
    return Value(score.value, error, n, split, text, better=better)
