"""Bags of words: documents as counts of a vocabulary's words, x (B, V) float.

The likelihood is the multinomial of document models such as VAMPIRE (Gururangan et al. 2019,
arXiv 1906.02242), with fixed background frequencies; the published network of this coupled model
is that of Pang and Wu 2021, arXiv 2108.11556: hidden = [2000, 2000, 2000], batch_norm, and an
encoder of hidden = [2000, 2000], dropout = 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from lebm_core import Decoder
from lebm_core.base.checks import whole, widths
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import fork
from lebm_core.data.dataset import BatchSource
from lebm_core.errors import UsageError
from lebm_core.sequences.counts import CountEncoder

__all__ = ["BagDecoder", "BagEncoder", "BagOfWords"]

LENGTHS = 1000  # quantiles that represent the distribution of lengths
PSEUDO_COUNT = 0.5  # of each word, so that a word that never occurs is possible


class BagOfWords(Distribution):
    """Words drawn independently of each other, as counts; batch shape (B,), event shape (V,).

    Args:
        log_p: (B, V) log-probability of each word.
        lengths: (Q,) equally likely numbers of words of a document.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}

    def __init__(self, log_p: Tensor, lengths: Tensor) -> None:
        self.log_p, self.lengths = log_p, lengths
        super().__init__(log_p.shape[:-1], log_p.shape[-1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """Sum log_p over counts: log-probability of the words in a given order, (B,) in nats.

        The multinomial coefficient (the orders with the same counts) and the probability of the
        length are left out: neither depends on z.
        """
        return (value * self.log_p).sum(-1)

    @property
    def mean(self) -> Tensor:
        """Expected counts of a document of mean length, (B, V)."""
        return self.log_p.exp() * self.lengths.mean()

    def sample(  # type: ignore[override]
        self, sample_shape: torch.Size | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw lengths, then counts (B, V), which are whole numbers."""
        with fork(generator), torch.no_grad():
            which = torch.randint(len(self.lengths), self.batch_shape, device=self.lengths.device)
            lengths = self.lengths[which].long()
            counts = torch.zeros_like(self.log_p)
            for row, (log_p, n) in enumerate(zip(self.log_p, lengths.tolist(), strict=True)):
                if n:
                    words = torch.multinomial(log_p.exp(), n, replacement=True)
                    counts[row] = torch.bincount(words, minlength=len(log_p)).to(counts.dtype)
        return counts


class BagDecoder(Decoder):
    """p(x | z): each word of a document is drawn from softmax(g(z) + background).

    Args:
        latent_dim: d.
        features: V, words of the vocabulary.
        hidden: widths of the hidden layers of g; empty for g(z) = W z.
        batch_norm: normalise each word's g over the batch, without a learned scale.
        length: words of a drawn document; 0: drawn from the lengths of the training documents.

    Raises:
        UsageError: for a length below 0.
    """

    def __init__(
        self,
        latent_dim: int,
        features: int,
        hidden: Sequence[int] = (),
        batch_norm: bool = False,
        length: int = 0,
    ) -> None:
        super().__init__()
        whole("decoder.length", length, 0, 10_000_000)
        widths("decoder.hidden", hidden)
        self.latent_dim, self.length = latent_dim, length
        self.net = mlp([latent_dim, *hidden, features], nn.GELU)
        self.norm = nn.BatchNorm1d(features, eps=1e-3, momentum=1e-3) if batch_norm else None
        if self.norm is not None:
            self.norm.weight.requires_grad_(False)
        self.register_buffer("background", torch.zeros(features))
        self.register_buffer("lengths", torch.ones(LENGTHS))
        self.background: Tensor
        self.lengths: Tensor

    @torch.no_grad()
    def initialise(self, dataset: BatchSource) -> None:
        """Set word frequencies and document lengths by the training split.

        Raises:
            UsageError: for x other than counts.
        """
        total, lengths = torch.zeros_like(self.background, dtype=torch.float64), []
        for batch in dataset.batches("train", 512):
            x = counts_of(batch.x)
            total += x.sum(0, dtype=torch.float64)
            lengths.append(x.sum(1))
        total += PSEUDO_COUNT
        self.background.copy_((total / total.sum()).log())
        levels = (torch.arange(LENGTHS) + 0.5) / LENGTHS
        ordered = torch.cat(lengths).sort().values
        self.lengths.copy_(ordered[(levels * len(ordered)).long()])

    def forward(self, z: Tensor, context: Tensor | None = None) -> BagOfWords:
        lengths = self.lengths
        if self.length:
            lengths = lengths.new_full((1,), self.length)
        return BagOfWords(self._scores(z).log_softmax(-1), lengths)

    def likelihood(self, x: Tensor, context: Tensor | None = None) -> Callable[[Tensor], Tensor]:
        """Return z -> log p(x | z); z may hold k codes for each of the n documents."""
        n, words = len(x), x.sum(-1)

        def log_prob(z: Tensor) -> Tensor:
            scores = self._scores(z).unflatten(0, (n, len(z) // n if n else 1))  # (n, k, V)
            inner = torch.einsum("nv,nkv->nk", x, scores)
            log_p: Tensor = inner - words[:, None] * scores.logsumexp(-1)
            return log_p.flatten()

        return log_prob

    def _scores(self, z: Tensor) -> Tensor:
        scores: Tensor = self.net(z)
        if self.norm is not None:
            scores = self._normalised(scores)
        return scores + self.background

    def _normalised(self, scores: Tensor) -> Tensor:
        """Normalise by a training batch of more than one row, else by the running statistics."""
        norm = self.norm
        assert norm is not None
        if len(scores) > 1 or not self.training:
            normalised: Tensor = norm(scores)
            return normalised
        return nn.functional.batch_norm(
            scores, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
        )


class BagEncoder(CountEncoder):
    """q(z | x), a multilayer perceptron on counts of words, see `CountEncoder`."""

    def counted(self, x: object) -> Tensor:
        return counts_of(x)


def counts_of(x: object) -> Tensor:
    """Check that x is counts, and return it.

    Raises:
        UsageError: for anything but (B, V) of numbers from 0 on.
    """
    if not isinstance(x, Tensor) or x.ndim != 2 or not x.is_floating_point():
        raise UsageError("tabular.bag needs examples that are counts of words, (B, V) of floats.")
    if not bool((x >= 0).all()):
        raise UsageError(f"tabular.bag needs counts from 0 on, and x has {float(x.min()):g}.")
    return x
