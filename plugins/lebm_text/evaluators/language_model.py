"""The evaluator: an LSTM language model that judges sentences, apart from the model judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lebm_core.base.precision import half_is_faster, recurrent_autocast
from lebm_core.errors import RunError, UsageError
from lebm_core.sequences.dataset import pad
from lebm_core.sequences.token_nll import token_nll
from lebm_core.sequences.tokens import BOS, PAD

__all__ = ["LanguageModel", "LanguageModelOptions", "by_length", "fit", "score"]

Rows = Sequence[Tensor]


@dataclass(frozen=True)
class LanguageModelOptions:
    """Sizes and training of an evaluator; part of the key under which it is cached."""

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
            if not getattr(self, name) > 0:
                raise UsageError(
                    f"An evaluator's {name} must be positive, not {getattr(self, name)}."
                )
        if not 0 <= self.dropout < 1:
            raise UsageError(f"An evaluator's dropout must be in [0, 1), not {self.dropout}.")


class LanguageModel(nn.Module):
    """p(x) = prod_t p(x_t | x_<t) by one LSTM layer, the output tied to the embedding.

    Args:
        vocab_size: V.
        options: sizes and dropout. One mask is drawn for all steps of a sentence (Gal and
            Ghahramani 2016, arXiv 1512.05287): it regularises better than a mask a step, and
            drawing numbers is slow on a CPU.
    """

    def __init__(self, vocab_size: int, options: LanguageModelOptions) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, options.embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(options.embedding, options.hidden, batch_first=True)
        self.project = nn.Linear(options.hidden, options.embedding)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        self.dropout = options.dropout
        nn.init.uniform_(self.embedding.weight, -0.1, 0.1)

    def features(self, x: Tensor) -> Tensor:
        """What predicts each token that is no padding, (tokens, E), for x (B, T)."""
        before = F.pad(x[:, :-1], (1, 0), value=BOS)
        half = self.training and half_is_faster(x.device.type)
        with recurrent_autocast(x.device.type, half):
            h, _ = self.lstm(self._drop(self.embedding(before)))
            h = self.project(self._drop(h)[x != PAD])
        return h.float()  # type: ignore[no-any-return]

    def _drop(self, h: Tensor) -> Tensor:
        if not self.training or not self.dropout:
            return h
        keep = 1 - self.dropout
        mask = torch.empty(len(h), 1, h.shape[-1], device=h.device).bernoulli_(keep)
        return h * (mask / keep).to(h.dtype)

    def loss(self, x: Tensor) -> Tensor:
        """-log p of a batch in nats per token, (); its value is rounded where bfloat16 is fast."""
        half = half_is_faster(x.device.type)
        h, weight = self.features(x), self.embedding.weight
        return token_nll(h, weight, self.bias, x[x != PAD], half=half).mean()

    def log_prob(self, x: Tensor) -> Tensor:
        """log p of each whole sentence with its end, (B, T) -> (B,), in float32."""
        h, weight = self.features(x), self.embedding.weight
        nats = token_nll(h, weight, self.bias, x[x != PAD], half=False)
        sentence = torch.arange(len(x), device=x.device)[:, None].expand_as(x)[x != PAD]
        return torch.zeros(len(x), device=x.device).index_add(0, sentence, -nats)


def by_length(rows: Rows, batch_size: int) -> list[list[int]]:
    """The row numbers sorted by length, cut into batches."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]


@torch.no_grad()
def score(model: LanguageModel, rows: Rows, batch_size: int = 64) -> Tensor:
    """log p of each sentence, (N,), in the order of `rows`; dropout is off."""
    device = model.bias.device
    was_training = model.training
    model.eval()
    result = torch.zeros(len(rows))
    for batch in by_length(rows, batch_size):
        x = pad([rows[i] for i in batch]).to(device)
        result[torch.tensor(batch)] = model.log_prob(x).cpu()
    model.train(was_training)
    return result


def _nats_per_token(model: LanguageModel, rows: Rows) -> float:
    return -float(score(model, rows).double().sum()) / sum(map(len, rows))


def fit(
    train: Rows,
    valid: Rows,
    vocab_size: int,
    options: LanguageModelOptions,
    *,
    watch: Rows = (),
    device: torch.device | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> tuple[LanguageModel, list[dict[str, float]]]:
    """Trains with Adam, the learning rate rising over a tenth of the steps and falling to 0.

    After each epoch the first sentences of `valid` are scored; the best state is returned.

    Args:
        train, valid: sentences as ids with their end.
        watch: scored after each epoch too, for the record; nothing is chosen by it.
        log: told the validation perplexity after each epoch.

    Returns:
        The model, and for each epoch the nats per token of "valid" and "watch".

    Raises:
        RunError: where the training diverges.
    """
    device = device or torch.device("cpu")
    history: list[dict[str, float]] = []
    chosen_by = valid[: options.valid_sentences]
    best: dict[str, Tensor] = {}
    with torch.random.fork_rng():  # the run's own random state is left as it was
        torch.manual_seed(options.seed)
        model = LanguageModel(vocab_size, options).to(device).train()
        counts = torch.cat(list(train)).bincount(minlength=vocab_size) + 0.5
        model.bias.data.copy_((counts / counts.sum()).log())  # the common words need no learning
        adam = torch.optim.Adam(model.parameters(), lr=options.lr, fused=True)
        total = options.epochs * math.ceil(len(train) / options.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            adam, lambda step: min((step + 1) / (0.1 * total + 1), _cosine(step / total))
        )
        for epoch in range(options.epochs):
            for batch in _shuffled(train, options.batch_size):
                adam.zero_grad()
                model.loss(pad([train[i] for i in batch]).to(device)).backward()
                nn.utils.clip_grad_norm_(model.parameters(), options.clip)
                adam.step()
                schedule.step()
            entry = {"valid": _nats_per_token(model, chosen_by)}
            if watch:
                entry["watch"] = _nats_per_token(model, watch)
            history.append(entry)
            log(f"epoch {epoch + 1}/{options.epochs}: perplexity {math.exp(entry['valid']):.1f}")
            if entry["valid"] == min(e["valid"] for e in history):
                best = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if not best:
        raise RunError(
            "The evaluator's training has diverged: use a lower evaluation.evaluator_lr than "
            f"{options.lr:g}."
        )
    model.load_state_dict(best)
    return model.eval(), history


def _cosine(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def _shuffled(rows: Rows, batch_size: int) -> list[list[int]]:
    """One epoch: batches of similar length, in random order (torch's global random state)."""
    order = torch.randperm(len(rows)).tolist()
    batches = []
    for first in range(0, len(order), batch_size * 50):
        window = sorted(order[first : first + batch_size * 50], key=lambda i: len(rows[i]))
        batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]
