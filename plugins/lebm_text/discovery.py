"""text.discovery: classes found without labels, held against attributes that training never saw.

Source: Pang and Wu 2021, arXiv 2108.11556, section 4.3, whose estimators are given beside pooled
ones; see `lebm_text.agreement` for what is wrong with them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core.data import subset
from lebm_core.errors import UsageError
from lebm_core.inference import Amortized
from lebm_core.run.curves import checked_strengths
from lebm_core.run.evaluation import Evaluation, Value
from lebm_text.agreement import (
    agreement,
    batch_homogeneity,
    batch_information,
    information,
    mean_of,
)
from lebm_text.class_samples import ClassSamples
from lebm_text.dailydialog import DialogueDataset
from lebm_text.metrics import Figure, text_of

__all__ = ["Assignment", "Discovery", "assigned", "build", "k_means"]

BATCHES = (30, 128)  # of the published estimates of mutual information
BATCH = BATCHES[0]  # of the published homogeneity
AT_ONCE = 128


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
    from lebm_text.language_model import LanguageModelOptions

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
class Assignment:
    """Classes of some examples.

    Attributes:
        p: (N, C) p(y | z) of one code z ~ q(z | x); 0 and 1 for clusters.
        of_x: (N,) argmax of p(y | x), for clusters that of the mean code.
    """

    p: Tensor
    of_x: Tensor


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
        if model.prior.n_classes:
            found = assigned(evaluation, rows, self.draws)
        elif model.encoder is not None:
            found = self._clustered_codes(evaluation, rows)
        else:
            return {}
        values = self._figures(evaluation, data, rows, found)
        if evaluation.name == "model":
            permuted = self._permuted(evaluation, data, rows, found)
            values |= {f"random/{name}": value for name, value in permuted.items()}
            used = len(found.of_x.unique())
            words = self._clustered_words(evaluation, data, rows, used)
            plain = self._figures(evaluation, data, rows, words)
            values |= {f"k_means/{name}": value for name, value in plain.items()}
            _clusters(evaluation).write_text(json.dumps(used))
        if model.prior.n_classes and self.samples.n_classes:
            classes = torch.empty_like(found.of_x)
            classes[rows] = found.of_x  # back to the order of the file
            values |= self.samples(evaluation, data, classes)
        return values

    def _clustered_codes(self, evaluation: Evaluation, rows: Tensor) -> Assignment:
        """k-means on mean codes of training utterances, as many clusters as the model uses classes.

        The model is that of the run, which is judged before its controls.
        """
        model, data, split = evaluation.model, evaluation.dataset, evaluation.split
        mean = Amortized(mean=True)

        def codes(of: str, some: Tensor, how: Amortized | None) -> Tensor:
            def coded(x: Tensor) -> Tensor:
                return model.posterior(x, inference=how, generator=evaluation.generator)

            return by_length(evaluation, of, some, coded)

        some = subset(data.length("train"), self.n_fit, evaluation.seed)
        known = _clusters(evaluation)
        n = json.loads(known.read_text()) if known.is_file() else evaluation.recipe.prior.n_classes
        fitted = k_means(codes("train", some, mean), n, evaluation.seed)
        at_mean, at_draw = (
            torch.from_numpy(fitted.predict(codes(split, rows, how).numpy())).long()
            for how in (mean, None)
        )
        return Assignment(one_hot(at_draw, fitted.n_clusters).double(), at_mean)

    def _clustered_words(
        self, evaluation: Evaluation, data: DialogueDataset, rows: Tensor, n: int
    ) -> Assignment:
        """k-means on TF-IDF of words, n clusters."""
        some = subset(data.length("train"), self.n_fit, evaluation.seed)
        fitted = k_means(data.vectors("train", some), n, evaluation.seed)
        ids = torch.from_numpy(fitted.predict(data.vectors(evaluation.split, rows))).long()
        return Assignment(one_hot(ids, fitted.n_clusters).double(), ids)

    def _figures(
        self, evaluation: Evaluation, data: DialogueDataset, rows: Tensor, found: Assignment
    ) -> dict[str, Value]:
        """Every estimator, for the classes of a sampled code and for those of x."""
        split, n = evaluation.split, len(rows)
        values = _information(found.p, split)
        for ending, ids, text in (
            ("", found.p.argmax(1), "argmax p(y | z), z sampled"),
            ("_of_x", found.of_x, "argmax p(y | x)"),
        ):
            for name, known in data.attributes.items():
                labels = known[split][rows]
                at = (labels >= 0).nonzero().squeeze(1)
                pooled = agreement(
                    labels[at], ids[at], data.dialogues[split][rows][at],
                    resamples=self.resamples, seed=evaluation.seed,
                )  # fmt: skip
                published = batch_homogeneity(labels[at], ids[at], BATCH)
                for key, figure in _named(name, ending, published, *pooled).items():
                    values[key] = _value(figure, len(at), split, f"{_meaning(key)}; {text}.")
            share = torch.bincount(ids).double() / n
            entropy = max(0.0, -float(torch.xlogy(share, share).sum()))
            values[f"classes_in_use{ending}"] = Value(
                float((share > 0).sum()), None, n, split, f"classes with an utterance; {text}."
            )
            values[f"class_entropy{ending}"] = Value(
                entropy, None, n, split, f"entropy of the shares of the classes, nats; {text}."
            )
        return values

    def _permuted(
        self, evaluation: Evaluation, data: DialogueDataset, rows: Tensor, found: Assignment
    ) -> dict[str, Value]:
        """The same classes handed out at random: means over permutations of the utterances."""
        split, n = evaluation.split, len(rows)
        generator = torch.Generator().manual_seed(evaluation.seed)
        drawn: dict[str, list[float]] = {}
        for _ in range(self.permutations):
            mixed = torch.randperm(n, generator=generator)
            for key, value in _information(found.p[mixed], split).items():
                drawn.setdefault(key, []).append(value.value or 0.0)
            for ending, ids in (("", found.p.argmax(1)), ("_of_x", found.of_x)):
                for name, known in data.attributes.items():
                    labels = known[split][rows]
                    at = (labels >= 0).nonzero().squeeze(1)
                    some = ids[mixed][at]
                    pooled = agreement(labels[at], some, at, resamples=0)
                    published = batch_homogeneity(labels[at], some, BATCH)
                    for key, figure in _named(name, ending, published, *pooled).items():
                        drawn.setdefault(key, []).append(figure.value)
        return {
            key: _value(mean_of(torch.tensor(each)), n, split, f"{_meaning(key)}; random classes.")
            for key, each in drawn.items()
        }


def assigned(evaluation: Evaluation, rows: Tensor, draws: int) -> Assignment:
    """The classes of a coupled prior for the given rows of the split, in their order."""
    model, generator = evaluation.model, evaluation.generator

    def both(x: Tensor) -> Tensor:
        one = model.classify(x, draws=1, generator=generator)
        return torch.stack([one, model.classify(x, draws=draws, generator=generator)], dim=1)

    p = by_length(evaluation, evaluation.split, rows, both)
    return Assignment(p[:, 0], p[:, 1].argmax(1))


@torch.no_grad()
def by_length(
    evaluation: Evaluation, split: str, rows: Tensor, of: Callable[[Tensor], Tensor]
) -> Tensor:
    """`of` x for the given rows, in their order, computed in batches of like lengths."""
    data = text_of(evaluation)
    order = data.lengths(split)[rows].argsort(stable=True)
    device = evaluation.model.device
    parts = [of(data.batch(split, rows[at]).x.to(device)).cpu() for at in order.split(AT_ONCE)]
    return torch.cat(parts)[order.argsort()]


def k_means(x: object, n: int, seed: int) -> KMeans:
    """k-means (the best of 3 starts) with n clusters, or as many as there are rows.

    Args:
        x: (N, features), a tensor or a scipy matrix in CSR form.
        n: clusters.
        seed: of the starts.
    """
    numbers = x.numpy() if isinstance(x, Tensor) else x
    clusters = min(n, numbers.shape[0])  # type: ignore[attr-defined]
    return KMeans(clusters, n_init=3, max_iter=100, random_state=seed).fit(numbers)


def _clusters(evaluation: Evaluation) -> Path:
    """Where the run's model, which is judged first, leaves the number of its classes in use."""
    return evaluation.cache / f"classes-in-use-{evaluation.split}.json"


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


def _named(attribute: str, ending: str, *figures: Figure) -> dict[str, Figure]:
    keys = (f"homogeneity_{BATCH}", "homogeneity", "v_measure", "ami")
    return {f"{attribute}_{k}{ending}": f for k, f in zip(keys, figures, strict=True)}


def _meaning(key: str) -> str:
    """What a figure is, from its name."""
    known = {
        f"homogeneity_{BATCH}": "FLAWED, for comparison with published tables only: homogeneity, "
        f"mean over batches of {BATCH} utterances at random",
        "homogeneity": "1 - H(label | class) / H(label), over the whole split",
        "v_measure": "harmonic mean of homogeneity and completeness, over the whole split",
        "ami": "adjusted mutual information, 0 by chance, over the whole split",
    }
    name = key.removesuffix("_of_x").partition("_")[2]
    return known.get(name, "as the model's")


def _value(figure: Figure, n: int, split: str, text: str) -> Value:
    error = None if math.isnan(figure.error) else figure.error
    return Value(figure.value, error, n, split, text)
