"""Train a language model that judges sentences, once for a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lebm_core.base.schedules import cosine
from lebm_core.errors import RunError
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.evaluators import trained_once
from lebm_core.sequences.dataset import TokenDataset, pad
from lebm_text.evaluators.language_model import EvaluatorOptions, LanguageModel, nats_per_token

__all__ = ["Trained", "fit", "language_model"]

Rows = Sequence[Tensor]


class Trained(NamedTuple):
    """A trained language model, and the nats per token after each epoch: "valid", "watch"."""

    model: LanguageModel
    history: list[dict[str, float]]


def language_model(
    evaluation: Evaluation,
    data: TokenDataset,
    options: EvaluatorOptions,
    train: Rows,
    what: str,
    watch: Rows = (),
) -> Trained:
    """Return the language model trained on `train`, from the cache of the run where it is there.

    Args:
        evaluation: gives the cache, the device and the log.
        data: its vocabulary and its validation split.
        options: sizes and training.
        train: sentences as ids with their end.
        what: the name of `train` in the log.
        watch: see `fit`.
    """
    valid, device = data.rows("valid"), evaluation.model.device
    vocab_size = len(data.tokenizer)

    def make() -> LanguageModel:
        return LanguageModel(vocab_size, options).to(device)

    def trained(model: LanguageModel) -> dict[str, Any]:
        evaluation.log(
            f"trains the evaluator on {what} ({len(train):,} sentences, {options.epochs} epochs)"
        )
        history = fit(
            model, train, valid, options, watch=watch,
            log=lambda line: evaluation.log(f"evaluator on {what}: {line}"),
        )  # fmt: skip
        best = math.exp(min(entry["valid"] for entry in history))
        return {"trained on": what, "valid perplexity": best, "history": history}

    key = [vocab_size, options, *map(_packed, (train, valid, watch))]
    cache = evaluation.cache / "evaluators"
    model, facts = trained_once(
        cache, key, make, trained, lambda line: None, "language-model", seed=options.seed
    )
    return Trained(model.eval(), facts["history"])


def _packed(rows: Rows) -> list[Any]:
    """Sentences as two tensors, which a cache key reads faster than thousands."""
    lengths = torch.tensor([len(row) for row in rows])
    return [lengths, torch.cat(list(rows)).to(torch.int32) if rows else lengths]


def fit(
    model: LanguageModel,
    train: Rows,
    valid: Rows,
    options: EvaluatorOptions,
    *,
    watch: Rows = (),
    log: Callable[[str], None] = lambda line: None,
) -> list[dict[str, float]]:
    """Train with Adam, in place.

    The learning rate rises over a tenth of the steps and falls to 0 as a cosine. After each epoch
    the first sentences of `valid` are scored; the best state is kept.

    Args:
        model: in its initial state.
        train, valid: sentences as ids with their end.
        options: of the training.
        watch: scored after each epoch too, for the record; nothing is chosen by it.
        log: takes the validation perplexity after each epoch.

    Returns:
        For each epoch the nats per token of "valid" and "watch".

    Raises:
        RunError: where the training diverges.
    """
    device = model.bias.device
    history: list[dict[str, float]] = []
    chosen_by = valid[: options.valid_sentences]
    best: dict[str, Tensor] = {}
    model.train()
    counts = torch.cat(list(train)).bincount(minlength=len(model.bias)) + 0.5
    model.bias.data.copy_((counts / counts.sum()).log())  # word frequencies need no learning
    adam = torch.optim.Adam(model.parameters(), lr=options.lr, fused=True)
    total = options.epochs * math.ceil(len(train) / options.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda step: min((step + 1) / (0.1 * total + 1), cosine(step / total))
    )
    for epoch in range(options.epochs):
        for batch in _shuffled(train, options.batch_size):
            adam.zero_grad()
            model.loss(pad([train[i] for i in batch]).to(device)).backward()
            nn.utils.clip_grad_norm_(model.parameters(), options.clip)
            adam.step()
            schedule.step()
        entry = {"valid": nats_per_token(model, chosen_by)}
        if watch:
            entry["watch"] = nats_per_token(model, watch)
        history.append(entry)
        log(f"epoch {epoch + 1}/{options.epochs}: perplexity {math.exp(entry['valid']):.1f}")
        if entry["valid"] == min(e["valid"] for e in history):
            best = {k: v.detach().clone() for k, v in model.state_dict().items()}
    if not best:
        raise RunError(
            "The evaluator's training has diverged: use a lower evaluation.evaluator.lr than "
            f"{options.lr:g}."
        )
    model.load_state_dict(best)
    model.eval()
    return history


def _shuffled(rows: Rows, batch_size: int) -> list[list[int]]:
    """One epoch: batches of similar length, in random order (torch's global random state)."""
    order = torch.randperm(len(rows)).tolist()
    batches = []
    for first in range(0, len(order), batch_size * 50):
        window = sorted(order[first : first + batch_size * 50], key=lambda i: len(rows[i]))
        batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
    return [batches[i] for i in torch.randperm(len(batches)).tolist()]
