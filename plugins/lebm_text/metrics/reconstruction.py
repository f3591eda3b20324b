"""text.reconstruction: BLEU of greedy reconstructions against the sentences they came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lebm_core.data.dataset import subset
from lebm_core.errors import MissingExtra
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value
from lebm_core.latent.amortized import Amortized
from lebm_text.metrics.base import Figure, text_of

__all__ = ["Reconstruction", "bleu", "build"]


def build(*, reconstruction_sentences: int = 1000) -> Reconstruction:
    """The metric text.reconstruction.

    Args:
        reconstruction_sentences: sentences of the split that are reconstructed; 0 for all
    """
    return Reconstruction(reconstruction_sentences)


@dataclass
class Reconstruction:
    """See `build` for the fields."""

    n_sentences: int

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        """BLEU, and the share of sentences that come back word for word."""
        model, data, split = evaluation.model, text_of(evaluation), evaluation.split
        if model.latent_dim == 0:
            return {}
        rows = subset(data.length(split), self.n_sentences, evaluation.seed)
        order = data.lengths(split)[rows].argsort(stable=True)
        originals: list[str] = []
        returned: list[str] = []
        for at in order.split(64):
            x = data.batch(split, rows[at]).x.to(model.device)
            originals += data.sentences(x)
            returned += data.sentences(model.reconstruct(x, generator=evaluation.generator))
        figure = bleu(returned, originals, seed=evaluation.seed)
        alone = isinstance(model.inference, Amortized)
        code = "the mean of q(z|x)" if alone else f"one draw of {type(model.inference).__name__}"
        extra = {"decoding": "greedy", "code": code, "tokenize": "none"}
        exact = sum(a == b for a, b in zip(returned, originals, strict=True)) / len(originals)
        return {
            "bleu": Value(
                figure.value,
                figure.error,
                len(originals),
                split,
                f"Corpus BLEU-4 (sacrebleu) of greedy reconstructions from {code}; the error is "
                "by bootstrap over sentences.",
                extra=extra,
            ),
            "reconstructed_exactly": Value(
                exact,
                (exact * (1 - exact) / len(originals)) ** 0.5,
                len(originals),
                split,
                "Share of sentences that come back word for word.",
                extra=extra,
            ),
        }


def bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, resamples: int = 200, seed: int = 0
) -> Figure:
    """Corpus BLEU of tokenised text, 0 to 100, with its bootstrap standard error over sentences.

    Raises:
        MissingExtra: where sacrebleu is not installed.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtra("sacrebleu", "text") from error
    metric = BLEU(tokenize="none", force=True, effective_order=True)
    scored = [metric.sentence_score(h, [r]) for h, r in zip(hypotheses, references, strict=True)]
    counts = torch.tensor([[*s.counts, *s.totals, s.sys_len, s.ref_len] for s in scored])

    def corpus(totals: torch.Tensor) -> float:
        c: list[Any] = totals.tolist()
        found = BLEU.compute_bleu(c[:4], c[4:8], c[8], c[9], smooth_method="exp")
        return float(found.score)

    generator = torch.Generator().manual_seed(seed)
    n = len(scored)
    again = [
        corpus(counts[torch.randint(n, (n,), generator=generator)].sum(0)) for _ in range(resamples)
    ]
    return Figure(corpus(counts.sum(0)), float(torch.tensor(again).std()))
