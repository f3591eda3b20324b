"""text.reconstruction: BLEU of greedy reconstructions against the sentences they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from lebm_core.data.dataset import subset
from lebm_core.errors import MissingExtra
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.sequences.dataset import TokenDataset
from lebm_text.metrics.text_scores import Score

__all__ = ["Reconstruction", "bleu"]


@dataclass(frozen=True)
class Reconstruction:
    """The metric text.reconstruction.

    Attributes:
        reconstruction_sentences: sentences of the split that are reconstructed; 0 for all
    """

    reconstruction_sentences: int = 1000

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """Return BLEU, and the share of sentences that come back word for word."""
        data, model = evaluation.need(TokenDataset, "text.reconstruction"), evaluation.model
        split = evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), self.reconstruction_sentences, evaluation.seed)
        order = data.lengths(split)[rows].argsort(stable=True)
        originals: list[str] = []
        returned: list[str] = []
        for at in order.split(64):
            x = data.batch(split, rows[at]).x.to(model.device)
            originals += data.strings(x)
            returned += data.strings(model.reconstruct(x, generator=evaluation.generator))
        alone = model.inference.point() is not model.inference
        code = "the mean of q(z|x)" if alone else f"one draw of {type(model.inference).__name__}"
        extra = {"decoding": "greedy", "code": code, "tokenize": "none"}
        n = len(originals)
        same = sum(a == b for a, b in zip(returned, originals, strict=True))
        return {
            "bleu": Value(
                *bleu(returned, originals, seed=evaluation.seed), n, split,
                f"Corpus BLEU-4 (sacrebleu) of greedy reconstructions from {code}; the error is "
                "by bootstrap over sentences.", extra=extra, better="higher",
            ),
            "reconstructed_exactly": Value.share(
                same, split, "Share of sentences that come back word for word.", extra, of=n,
                better="higher",
            ),
        }  # fmt: skip


def bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, resamples: int = 200, seed: int = 0
) -> Score:
    """Return the corpus BLEU of tokenised text, 0 to 100, with its bootstrap error over sentences.

    Raises:
        MissingExtra: where sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtra("sacrebleu", "text") from error
    metric = BLEU(tokenize="none", force=True, effective_order=True)
    scored = [metric.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    counts = np.array([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scored])

    def corpus(rows: NDArray[np.int64]) -> float:
        c: list[Any] = counts[rows].sum(0).tolist()
        return float(BLEU.compute_bleu(c[:4], c[4:8], c[8], c[9], smooth_method="exp").score)

    every = np.arange(len(counts))
    if len(every) < 2:
        return Score(corpus(every), float("nan"))
    again = bootstrap(
        (every,), corpus, n_resamples=resamples, vectorized=False, method="percentile", rng=seed
    )
    return Score(corpus(every), float(again.standard_error))
