"""Accelerate as lebm uses it: device, autocast, and what all processes agree on.

DDP is not used: its hooks do not survive `autograd.grad` inside a Langevin chain.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from torch import Tensor

from lebm_core.errors import DivergenceError
from lebm_core.run.training.optimizers import PartOptimizer
from lebm_core.run.training.options import TrainingOptions

__all__ = [
    "agreed",
    "agreed_number",
    "average_gradients",
    "check_finite",
    "launched",
    "make_accelerator",
    "wait_for_everyone",
]


def make_accelerator(options: TrainingOptions) -> Accelerator:
    """Create Accelerate's process-wide state for these options; a process group is kept."""
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    cpu = options.device == "cpu" or not torch.cuda.is_available()
    return Accelerator(cpu=cpu, mixed_precision=options.precision)


def launched(device: str) -> PartialState:
    """The processes of `accelerate launch`, of which this is one; by itself the only one.

    Args:
        device: "auto" (a GPU where one is found), "cpu" or "cuda".
    """
    if not torch.distributed.is_initialized():
        PartialState._reset_state()
    return PartialState(cpu=device == "cpu" or not torch.cuda.is_available())


def average_gradients(
    accelerator: Accelerator, parts: Iterable[PartOptimizer]
) -> list[PartOptimizer]:
    """Average gradients over the processes; return the parts that have any.

    A parameter that has no gradient on some processes counts as zero there; one that has none
    anywhere is left without, so that its optimiser does not move it.
    """
    moved = []
    for part in parts:
        if accelerator.num_processes > 1:
            has = torch.tensor([float(p.grad is not None) for p in part.parameters])
            anywhere = accelerator.reduce(has.to(accelerator.device), "sum").tolist()
            chosen = [p for p, n in zip(part.parameters, anywhere, strict=True) if n > 0]
            if chosen:
                _average(accelerator, chosen)
        if any(p.grad is not None for p in part.parameters):
            moved.append(part)
    return moved


def agreed(accelerator: Accelerator, wanted: bool) -> bool:
    """Whether any process wants it, so that all of them stop at the same step."""
    if accelerator.num_processes == 1:
        return wanted
    flag = torch.tensor(float(wanted), device=accelerator.device)
    return float(accelerator.reduce(flag, "sum")) > 0


def agreed_number(accelerator: Accelerator, number: float) -> float:
    """The mean of a number over the processes, the same on all of them."""
    if accelerator.num_processes == 1:
        return number
    tensor = torch.tensor(number, device=accelerator.device)
    return float(accelerator.reduce(tensor, "mean"))


def wait_for_everyone(accelerator: Accelerator | PartialState) -> None:
    """Return once every process has come here."""
    if accelerator.num_processes > 1 and accelerator.device.type == "cpu":
        # accelerate's own asks for a GPU for each process wherever torch finds one.
        torch.distributed.barrier()
    else:
        accelerator.wait_for_everyone()


def _average(accelerator: Accelerator, parameters: list[torch.nn.Parameter]) -> None:
    """One transfer for all gradients."""
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
    for p, g in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = g.view_as(p)


def check_finite(
    accelerator: Accelerator,
    losses: Mapping[str, Tensor],
    norms: Mapping[str, Tensor],
    parts: Container[str],
) -> None:
    """Stop all processes where a loss or gradient norm of any is not finite.

    Args:
        accelerator: of the training.
        losses: scalars by part.
        norms: of the gradients, by part.
        parts: names of the parts that have options of their own.

    Raises:
        DivergenceError: naming the part and the options to change.
    """
    values = {("loss", k): v.detach().float().reshape(()) for k, v in losses.items()}
    values |= {("gradient", k): v.float() for k, v in norms.items()}
    if not values:
        return
    numbers = torch.stack(list(values.values()))
    if accelerator.num_processes > 1:
        numbers = accelerator.reduce(numbers, "sum")
    for (kind, part), number in zip(values, numbers.tolist(), strict=True):
        if not math.isfinite(number):
            advice = _advice(part) if part in parts else "lower training.lr"
            raise DivergenceError(f"The {kind} of the {part} is {number}: {advice}.")


def _advice(part: str) -> str:
    key = f"training.parts.{part}"
    bound = ", or bound the tilt (prior.bound)" if part == "prior" else ""
    return f"lower {key}.lr, or set {key}.clip{bound}"
