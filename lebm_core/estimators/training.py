"""The training of `LatentEBMClassifier`: examples in memory, passes over them, early stopping.

A recipe's training (`lebm_core.run.training.loop`) has checkpoints, several processes and
trackers; an estimator has none of them, and its own rule of when to stop.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lebm_core.data.adapters import Examples
from lebm_core.data.dataset import Batch
from lebm_core.data.labels import Labelled
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.optimizers import PartOptimizer, part_optimizers, rate_factor
from lebm_core.run.training.options import TrainingOptions

__all__ = ["LabelledExamples", "train_classifier"]


class LabelledExamples:
    """Examples in memory, (N, ...) and their class ids (N,), -1 where unknown."""

    def __init__(self, x: Examples, y: NDArray[np.int64]) -> None:
        self.x, self.y = x, torch.as_tensor(y)

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, split: str, index: Tensor) -> Batch:
        """The examples with these row numbers; there is one split."""
        return Batch(self.x[index], self.y[index], rows=index)

    def batches(self, split: str, batch_size: int) -> Iterator[Batch]:
        """What a decoder is initialised from."""
        for index in torch.arange(len(self)).split(batch_size):
            yield self.batch(split, index)


def train_classifier(
    model: LatentEBM,
    data: LabelledExamples,
    options: LearningOptions,
    *,
    batch_size: int,
    labelled_batch: int,
    learning_rate: float,
    passes: int,
    generator: torch.Generator,
    validate: Callable[[], float] | None = None,
    patience: int = 10,
    verbose: bool = False,
) -> list[dict[str, float]]:
    """Trains a model with a coupled prior; it is in evaluation mode afterwards.

    Args:
        model: with an encoder.
        data: the examples.
        options: the objective.
        batch_size: examples of a step.
        labelled_batch: labelled examples of a step, beside them.
        learning_rate: of Adam, falling to 0 as a cosine over all passes.
        passes: over the examples.
        generator: source of all randomness.
        validate: a figure to make large, looked at after each pass; the best weights are kept.
        patience: passes without a better figure after which the training stops.
        verbose: print a line for each pass.

    Returns:
        For each pass made the means of all terms of the objective.

    Raises:
        ValueError: where the training diverges.
    """
    learning = Learning(options, monitor=False)
    rows = (data.y >= 0).nonzero().squeeze(1)
    learning.labelled = Labelled(data, rows, labelled_batch)
    rates = dict.fromkeys(("lr_prior", "lr_decoder", "lr_encoder"), learning_rate)
    training = TrainingOptions(schedule="cosine", **rates)  # type: ignore[arg-type]
    parts = part_optimizers(model, training)
    total, step = passes * -(-len(data) // batch_size), 0
    history: list[dict[str, float]] = []
    best, waited, kept = -np.inf, 0, None
    for made in range(1, passes + 1):
        model.train()
        terms: dict[str, list[float]] = defaultdict(list)
        order = torch.randperm(len(data), generator=generator, device=generator.device).cpu()
        for index in order.split(batch_size):
            batch = data.batch("train", index).to(model.device)
            outcome = learning(model, batch, progress=step / total, generator=generator)
            losses = list(outcome.losses.values())
            _step(parts, losses, rate_factor(training, step, total, made))
            step += 1
            for name, value in outcome.metrics.items():
                terms[name].append(float(value))
        means = {name: float(np.mean(values)) for name, values in terms.items()}
        if not np.isfinite(means["reconstruction"]):
            raise ValueError("The training has diverged: lower learning_rate, or scale X.")
        if validate is not None:
            means["validation_log_likelihood"] = likelihood = validate()
            waited = 0 if likelihood > best else waited + 1
            if likelihood > best:
                best, kept = likelihood, copy.deepcopy(model.state_dict())
        history.append(means)
        if verbose:
            said = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
            print(f"pass {made}/{passes}  {said}")
        if waited >= patience:
            break
    if kept is not None:
        model.load_state_dict(kept)
    model.eval()
    return history


def _step(parts: Mapping[str, PartOptimizer], losses: Sequence[Tensor], factor: float) -> None:
    for part in parts.values():
        part.optimizer.zero_grad(set_to_none=True)
    torch.stack([loss for loss in losses if loss.requires_grad]).sum().backward()
    for part in parts.values():
        part.step(part.norm(), factor)
