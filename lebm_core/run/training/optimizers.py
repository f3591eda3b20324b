"""One optimiser for each part of a model: the prior, the decoder and the encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lebm_core.errors import UsageError
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.options import TrainingOptions

__all__ = ["PARTS", "PartOptimizer", "check_options", "part_optimizers", "rate_factor"]

PARTS = ("prior", "decoder", "encoder")


@dataclass
class PartOptimizer:
    """AdamW for one part (Adam where its weight decay is 0), with its gradient limit.

    Attributes:
        parameters: trained parameters; one that two parts share belongs to the first.
        lr: learning rate before the schedule.
        clip: largest gradient norm, None for no limit.
    """

    name: str
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    lr: float
    clip: float | None

    def norm(self) -> Tensor:
        """The norm of the gradient over all parameters of the part, a scalar."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return nn.utils.get_total_norm(gradients)

    def step(self, norm: Tensor, factor: float) -> None:
        """Clips the gradient, whose norm is given, and takes a step at `lr * factor`."""
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * factor
        self.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """The optimiser's moments as named tensors, "INDEX/NAME"."""
        state = self.optimizer.state_dict()["state"]
        return {f"{i}/{name}": value for i, each in state.items() for name, value in each.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Restores what `state` gave."""
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            index, _, name = key.partition("/")
            state.setdefault(int(index), {})[name] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        # The fused update goes through memory: moments must lie as their parameter does, and a
        # file keeps no such order (channels last).
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape and value.stride() != parameter.stride():
                    moments[name] = torch.empty_like(parameter).copy_(value).detach()


def part_optimizers(model: LatentEBM, options: TrainingOptions) -> dict[str, PartOptimizer]:
    """An optimiser for each part that has parameters to train."""
    taken: set[int] = set()
    parts = {}
    for name in PARTS:
        module: nn.Module | None = getattr(model, name)
        if module is None:
            continue
        parameters = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
        taken.update(id(p) for p in parameters)
        if not parameters:
            continue
        lr = float(getattr(options, f"lr_{name}"))
        optimizer = torch.optim.AdamW(
            parameters,
            lr=lr,
            betas=(options.beta1, options.beta2),
            weight_decay=getattr(options, f"weight_decay_{name}"),
            fused=True,
        )
        clip = getattr(options, f"clip_{name}")
        parts[name] = PartOptimizer(name, parameters, optimizer, lr, clip)
    return parts


def rate_factor(options: TrainingOptions, step: int, total: int, epoch: int) -> float:
    """What the learning rates are multiplied with at a step (counted from 0)."""
    warmup = options.warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    if options.schedule == "cosine":
        share = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    if options.schedule == "exponential":
        return float(options.decay**epoch)
    return 1.0


def check_options(options: TrainingOptions) -> None:
    """Refuses values that no training can run with.

    Raises:
        UsageError: naming the key, the value and what is accepted.
    """
    rules = [
        ("epochs", options.epochs >= 1, "at least 1"),
        ("max_steps", options.max_steps is None or options.max_steps >= 1, "at least 1, or none"),
        ("beta1", 0 <= options.beta1 < 1, "from 0 to below 1"),
        ("beta2", 0 <= options.beta2 < 1, "from 0 to below 1"),
        ("warmup_steps", options.warmup_steps >= 0, "0 or more"),
        ("decay", 0 < options.decay <= 1, "above 0 and at most 1"),
        ("ema", 0 <= options.ema < 1, "from 0 (off) to below 1"),
        ("log_every", options.log_every >= 1, "at least 1"),
        ("checkpoint_every", options.checkpoint_every >= 1, "at least 1"),
        ("precision", options.precision in ("no", "bf16"), '"no" or "bf16"'),
        ("device", options.device in ("auto", "cpu", "cuda"), '"auto", "cpu" or "cuda"'),
        (
            "schedule",
            options.schedule in ("constant", "cosine", "exponential"),
            '"constant", "cosine" or "exponential"',
        ),
    ]
    for name in PARTS:
        lr, clip = getattr(options, f"lr_{name}"), getattr(options, f"clip_{name}")
        decay = getattr(options, f"weight_decay_{name}")
        rules.append((f"lr_{name}", 0 <= lr < math.inf, "0 or more"))
        rules.append((f"clip_{name}", clip is None or clip > 0, "above 0, or none"))
        rules.append((f"weight_decay_{name}", decay >= 0, "0 or more"))
    for key, good, accepted in rules:
        if not good:
            value = getattr(options, key)
            raise UsageError(f"training.{key} = {value} is not possible: it must be {accepted}.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise UsageError('training.device = "cuda", but no GPU is found here; use "auto" or "cpu".')
