"""Evaluators are dear: each is trained once and kept, under a hash of its data and its options."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lebm_text.evaluators.language_model import LanguageModel, LanguageModelOptions, fit

__all__ = ["Evaluator", "evaluator"]


@dataclasses.dataclass
class Evaluator:
    """A trained language model and the nats per token after each of its epochs."""

    model: LanguageModel
    history: list[dict[str, float]]


def evaluator(
    train: Sequence[Tensor],
    valid: Sequence[Tensor],
    vocab_size: int,
    options: LanguageModelOptions,
    *,
    cache: Path,
    what: str,
    watch: Sequence[Tensor] = (),
    device: torch.device | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Evaluator:
    """The language model trained on `train`: from the cache where it is there and whole.

    Args:
        train, valid, watch: sentences as ids with their end; see `fit`.
        vocab_size: V.
        options: sizes and training.
        cache: folder in which evaluators are kept.
        what: what the evaluator is trained on, for the log.
        device: where it is trained and put; the CPU by default.
        log: takes lines of progress.
    """
    key = _key(train, valid, watch, vocab_size, options)
    weights, facts = (cache / f"language-model-{key}{end}" for end in (".safetensors", ".json"))
    device = device or torch.device("cpu")
    try:
        history = json.loads(facts.read_text(encoding="utf-8"))["history"]
        model = LanguageModel(vocab_size, options)
        model.load_state_dict(load_file(weights))
        return Evaluator(model.to(device).eval(), history)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError):
        pass  # absent, or cut short by a kill: trained anew
    log(f"trains the evaluator on {what} ({len(train):,} sentences, {options.epochs} epochs)")
    model, history = fit(
        train, valid, vocab_size, options, watch=watch, device=device,
        log=lambda line: log(f"evaluator on {what}: {line}"),
    )  # fmt: skip
    cache.mkdir(parents=True, exist_ok=True)
    _replace(weights, lambda path: save_file(model.state_dict(), path))
    about = {
        "trained on": what,
        "options": dataclasses.asdict(options),
        "valid perplexity": math.exp(min(entry["valid"] for entry in history)),
        "history": history,
    }
    _replace(facts, lambda path: path.write_text(json.dumps(about, indent=1), encoding="utf-8"))
    return Evaluator(model, history)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Writes beside `path` and renames, so that the file is whole or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    os.replace(temporary, path)


def _key(
    train: Sequence[Tensor],
    valid: Sequence[Tensor],
    watch: Sequence[Tensor],
    vocab_size: int,
    options: LanguageModelOptions,
) -> str:
    digest = hashlib.sha256(json.dumps([vocab_size, dataclasses.asdict(options)]).encode())
    for rows in (train, valid, watch):
        digest.update(str([len(row) for row in rows]).encode())
        if rows:
            digest.update(torch.cat(list(rows)).to(torch.int32).numpy().tobytes())
    return digest.hexdigest()[:16]
