"""Evaluators: networks trained only to judge, each once, and kept in a cache."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from filelock import FileLock
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from lebm_core.base.files import replace_file, write_atomically

__all__ = ["Evaluator", "trained_once"]


class Evaluator(Protocol):
    """Whatever can be kept as named tensors: every `nn.Module` can."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: Mapping[str, Any], /) -> Any: ...


E = TypeVar("E", bound=Evaluator)


def trained_once(
    cache: Path,
    key_facts: object,
    make: Callable[[], E],
    train: Callable[[E], Mapping[str, Any]],
    log: Callable[[str], None],
    name: str,
    *,
    seed: int = 0,
) -> tuple[E, dict[str, Any]]:
    """Read an evaluator from the cache, or train it and keep it there.

    Torch's global random state is seeded before `make`, and afterwards as it was.

    Args:
        cache: folder of evaluators, for instance `evaluation.cache / "evaluators"`.
        key_facts: all that the evaluator depends on: options, data. JSON values, dataclasses,
            tensors and arrays, in lists, tuples and dictionaries.
        make: the evaluator before training, on its device.
        train: trains it in place and returns facts about it that JSON can hold.
        log: takes a line where it has to be trained.
        name: of the evaluator, part of its files' names.
        seed: of the training.

    Returns:
        The evaluator as `train` left it, or with the weights that it had then; and the facts.
    """
    key = _key([seed, key_facts])
    weights, facts = (cache / f"{name}-{key}{end}" for end in (".safetensors", ".json"))
    cache.mkdir(parents=True, exist_ok=True)
    # Rows are measured side by side: one trains it, the others wait for that.
    with FileLock(weights.with_suffix(".lock")), torch.random.fork_rng():
        torch.manual_seed(seed)
        evaluator = make()
        try:
            known: dict[str, Any] = json.loads(facts.read_text(encoding="utf-8"))
            evaluator.load_state_dict(load_file(weights))
            return evaluator, known
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError):
            pass  # absent, or cut short by a kill: train it
        log(f"trains the evaluator {name}")
        result = dict(train(evaluator))
        state = {k: v.detach().contiguous().cpu() for k, v in evaluator.state_dict().items()}
        replace_file(weights, lambda path: save_file(state, path))
        write_atomically(facts, json.dumps(result, indent=1) + "\n")
    return evaluator, result


def _key(facts: object) -> str:
    digest = hashlib.sha256()
    _update(digest.update, facts)
    return digest.hexdigest()[:16]


def _update(update: Callable[[bytes], None], facts: object) -> None:
    if dataclasses.is_dataclass(facts) and not isinstance(facts, type):
        facts = dataclasses.asdict(facts)
    if isinstance(facts, Tensor):
        facts = facts.detach().cpu().numpy()
    if hasattr(facts, "tobytes"):
        update(f"{getattr(facts, 'dtype', '')}{getattr(facts, 'shape', '')}".encode())
        update(facts.tobytes())
    elif isinstance(facts, Mapping):
        update(b"{")
        for name in sorted(facts, key=str):
            update(f"{name}:".encode())
            _update(update, facts[name])
        update(b"}")
    elif isinstance(facts, Sequence) and not isinstance(facts, (str, bytes)):
        update(b"[")
        for each in facts:
            _update(update, each)
        update(b"]")
    else:
        update(f"{json.dumps(facts, default=str)},".encode())
