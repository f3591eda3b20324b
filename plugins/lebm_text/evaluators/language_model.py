"""An LSTM language model that judges sentences, apart from the model under evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lebm_core.base.precision import half_is_faster, recurrent_autocast
from lebm_core.errors import UsageError
from lebm_core.sequences.dataset import pad
from lebm_core.sequences.networks import LockedDropout
from lebm_core.sequences.token_nll import token_nll
from lebm_core.sequences.tokens import BOS, PAD

__all__ = ["EvaluatorOptions", "LanguageModel", "by_length", "nats_per_token", "score"]

Rows = Sequence[Tensor]


@dataclass(frozen=True)
class EvaluatorOptions:
    """Sizes and training of a language model that judges samples.

    Attributes:
        embedding: width of the embedding
        hidden: width of the LSTM
        dropout: of the embeddings and of the outputs, in training
        epochs: on the training text
        batch_size: sentences in a batch
        lr: highest learning rate
        clip: largest norm of the gradient
        valid_sentences: validation sentences by which the best epoch is chosen
        seed: of its training
    """

    embedding: int = 256
    hidden: int = 512
    dropout: float = 0.5
    epochs: int = 12
    batch_size: int = 32
    lr: float = 3e-3
    clip: float = 1.0
    valid_sentences: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("embedding", "hidden", "epochs", "batch_size", "lr"):
            value = getattr(self, name)
            if not value > 0:
                raise UsageError(f"evaluation.evaluator.{name} = {value} must be positive.")
        if not 0 <= self.dropout < 1:
            raise UsageError(
                f"evaluation.evaluator.dropout = {self.dropout} must be at least 0 and below 1."
            )


class LanguageModel(nn.Module):
    """p(x) = prod_t p(x_t | x_<t) by one LSTM layer, the output tied to the embedding.

    Args:
        vocab_size: V.
        options: sizes and dropout.
    """

    def __init__(self, vocab_size: int, options: EvaluatorOptions) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, options.embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(options.embedding, options.hidden, batch_first=True)
        self.project = nn.Linear(options.hidden, options.embedding)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dropout = LockedDropout(options.dropout)
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def features(self, x: Tensor) -> Tensor:
        """Return the features that predict each token but padding, (tokens, E), for x (B, T)."""
        before = F.pad(x[:, :-1], (1, 0), value=BOS)
        half = self.training and half_is_faster(x.device.type)
        with recurrent_autocast(x.device.type, half):
            h, _ = self.lstm(self.dropout(self.embedding(before)))
            h = self.project(self.dropout(h)[x != PAD])
        return h.float()  # type: ignore[no-any-return]

    def loss(self, x: Tensor) -> Tensor:
        """Return -log p of a batch in nats per token, (), rounded where bfloat16 is fast."""
        half = half_is_faster(x.device.type)
        h, weight = self.features(x), self.embedding.weight
        return token_nll(h, weight, self.bias, x[x != PAD], half=half).mean()

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p of each whole sentence with its end, (B, T) -> (B,), in float32."""
        h, weight = self.features(x), self.embedding.weight
        nats = token_nll(h, weight, self.bias, x[x != PAD], half=False)
        sentence = torch.arange(len(x), device=x.device)[:, None].expand_as(x)[x != PAD]
        return torch.zeros(len(x), device=x.device).index_add(0, sentence, -nats)


def by_length(rows: Rows, batch_size: int) -> list[list[int]]:
    """Return the row numbers sorted by length, cut into batches."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


@torch.no_grad()
def score(model: LanguageModel, rows: Rows, batch_size: int = 64) -> Tensor:
    """Return log p of each sentence, (N,), in the order of `rows`, without dropout."""
    device = model.bias.device
    was_training = model.training
    model.eval()
    result = torch.zeros(len(rows))
    for batch in by_length(rows, batch_size):
        x = pad([rows[i] for i in batch]).to(device)
        result[torch.tensor(batch)] = model.log_prob(x).cpu()
    model.train(was_training)
    return result


def nats_per_token(model: LanguageModel, rows: Rows) -> float:
    """Return the mean of -log p over all tokens of sentences."""
    return -float(score(model, rows).double().sum()) / sum(map(len, rows))
