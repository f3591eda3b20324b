"""What judges the class of a sentence: a linear classifier of its words and pairs of words.

Source: Wang and Manning, "Baselines and bigrams: simple, good sentiment and topic classification",
ACL 2012: what occurs in a sentence, weighed by log-count ratios, then a linear classifier. On Yelp
it is as good as a recurrent network, in a sixth of the time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix, diags
from torch import Tensor

from lebm_core.data.labels import labels_of
from lebm_core.errors import UsageError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.sequences.tokens import EOS
from lebm_text.metrics.base import text_of

__all__ = ["ClassJudge", "class_judge"]

PENALTY = 1.0  # C of the logistic regression: by accuracy on the validation split of Yelp
Rows = Sequence[Tensor]
Ids = NDArray[np.int64]


class ClassJudge:
    """The likeliest class of sentences, by the words and the pairs of words that occur in them.

    Args:
        vocab_size: V.
        grams: (G,) ascending, those that are known: the id of a word, or V + a V + b for the pair
            of a and b.
        weight: (G, C).
        bias: (C,).
    """

    def __init__(
        self, vocab_size: int, grams: Ids, weight: NDArray[np.float32], bias: NDArray[np.float32]
    ) -> None:
        self.vocab_size, self.grams, self.weight, self.bias = vocab_size, grams, weight, bias

    @classmethod
    def fit(cls, rows: Rows, y: Tensor, vocab_size: int, n_classes: int) -> ClassJudge:
        """Learns one class against the rest, each in turn; of two classes the second alone.

        Args:
            rows: sentences as ids.
            y: (N,) their class ids, each below `n_classes`.
            vocab_size: V.
            n_classes: C, at least 2, each with a sentence.
        """
        from sklearn.linear_model import LogisticRegression

        if n_classes < 2 or len(y.unique()) < n_classes:
            raise UsageError(
                f"A judge of {n_classes} classes needs at least two, and sentences of each: "
                f"{len(y.unique())} have some."
            )
        known = np.unique(_grams(rows, vocab_size)[1])
        none = np.zeros((len(known), n_classes), dtype=np.float32)
        found = cls(vocab_size, known, none, np.zeros(n_classes, dtype=np.float32))
        x = found.occurring(rows)
        for c in [1] if n_classes == 2 else range(n_classes):
            mine = (y == c).numpy()
            here, there = (1 + np.asarray(x[each].sum(0)).ravel() for each in (mine, ~mine))
            ratio = np.log(here / here.sum()) - np.log(there / there.sum())
            learner = LogisticRegression(C=PENALTY, solver="liblinear", random_state=0)
            learner.fit(x @ diags(ratio), mine)
            found.weight[:, c] = learner.coef_[0] * ratio
            found.bias[c] = learner.intercept_[0]
        return found

    def occurring(self, rows: Rows) -> csr_matrix:
        """(N, G), 1 where a known word or pair occurs in a sentence."""
        row, gram = _grams(rows, self.vocab_size)
        column = np.searchsorted(self.grams, gram).clip(max=len(self.grams) - 1)
        known = self.grams[column] == gram
        at = row[known], column[known]
        x = csr_matrix((np.ones(int(known.sum())), at), shape=(len(rows), len(self.grams)))
        x.sum_duplicates()
        x.data[:] = 1
        return x

    def __call__(self, rows: Rows) -> Tensor:
        """(N,) the id of the likeliest class of each sentence."""
        scores = self.occurring(rows) @ self.weight + self.bias
        if scores.shape[1] == 2:
            scores = np.stack([-scores[:, 1], scores[:, 1]], 1)
        return torch.from_numpy(scores.argmax(1))


def _grams(rows: Rows, vocab_size: int) -> tuple[Ids, Ids]:
    """The words and pairs of all sentences, ends left out: whose each is, and which."""
    bare = [row[row != EOS] for row in rows]
    sentence = np.repeat(np.arange(len(bare)), [len(row) for row in bare])
    words = torch.cat([*bare, torch.zeros(0, dtype=torch.long)]).numpy().astype(np.int64)
    beside = sentence[1:] == sentence[:-1]
    pairs = (vocab_size + words[:-1] * vocab_size + words[1:])[beside]
    return np.concatenate([sentence, sentence[1:][beside]]), np.concatenate([words, pairs])


def class_judge(evaluation: Evaluation) -> ClassJudge:
    """The classifier of the training split's sentences with a label, kept in the run's cache."""
    data = text_of(evaluation)
    rows, y = data.rows("train"), labels_of(data, "train")
    known = (y >= 0).nonzero().squeeze(1)
    digest = hashlib.sha256(str((len(data.tokenizer), data.classes, PENALTY)).encode())
    for part in (data.lengths("train"), torch.cat(rows), y):
        digest.update(part.to(torch.int32).numpy().tobytes())
    file = evaluation.cache / "evaluators" / f"class-judge-{digest.hexdigest()[:16]}.safetensors"
    try:
        kept = load_file(file)
        return ClassJudge(len(data.tokenizer), kept["grams"], kept["weight"], kept["bias"])
    except (OSError, KeyError, SafetensorError):
        pass  # absent, or cut short by a kill: learned anew
    evaluation.log(f"trains the judge of classes on {len(known):,} sentences")
    some = [rows[i] for i in known.tolist()]
    found = ClassJudge.fit(some, y[known], len(data.tokenizer), len(data.classes))
    _keep(found, file)
    return found


def _keep(judge: ClassJudge, file: Path) -> None:
    """Writes beside `file` and renames, so that it is whole or not there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    save_file({"grams": judge.grams, "weight": judge.weight, "bias": judge.bias}, temporary)
    os.replace(temporary, file)
