"""A training under way as named tensors and JSON, and back: what a checkpoint holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lebm_core.run.training.checkpoint import Checkpoint

if TYPE_CHECKING:
    from lebm_core.run.training.loop import _Training

__all__ = ["restore", "snapshot"]


def snapshot(training: _Training) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """All that the next steps depend on.

    The first process holds what all processes share; the random states and the learning rule's own
    state (persistent chains) are each process's.
    """
    tensors = {f"learning/{k}": v for k, v in training.learning.state_dict().items()}
    tensors["random/generator"] = training.generator.get_state()
    tensors["random/torch"] = torch.get_rng_state()
    if training.accelerator.device.type == "cuda":
        tensors["random/cuda"] = torch.cuda.get_rng_state(training.accelerator.device)
    # The weights are written by every process: each restores from its own file alone.
    tensors |= {f"model/{k}": v for k, v in training.model.state_dict().items()}
    for part in training.parts.values():
        tensors |= {f"optimizer/{part.name}/{k}": v for k, v in part.state().items()}
    if training.ema is not None:
        tensors |= {f"ema/{k}": v for k, v in training.ema.state_dict().items()}
    state = {
        "epoch": training.epoch,
        "position": training.position,
        "seconds": training.seconds,
        "means": training.means.state(),
        "warnings": training.warnings,
    }
    return tensors, state


def restore(training: _Training, checkpoint: Checkpoint) -> None:
    """Puts a fresh training where `snapshot` was taken."""
    from lebm_core.run.training.tracking import Means

    device = training.accelerator.device
    tensors, state = checkpoint.tensors, checkpoint.state
    training.model.load_state_dict(_under(tensors, "model/"))
    for part in training.parts.values():
        part.load_state(_under(tensors, f"optimizer/{part.name}/"))
    if training.ema is not None:
        training.ema.load_state_dict(_under(tensors, "ema/"))
    learned = {k: v.to(device) for k, v in _under(tensors, "learning/").items()}
    training.learning.load_state_dict(learned, training.model)
    training.generator.set_state(tensors["random/generator"])
    torch.set_rng_state(tensors["random/torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random/cuda"], device)
    training.step = int(state["step"])
    training.epoch, training.position = int(state["epoch"]), int(state["position"])
    training.seconds = float(state["seconds"])
    training.means = Means(state["means"])
    training.warnings = list(state["warnings"])
    training.batches = training._order(training.epoch)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
