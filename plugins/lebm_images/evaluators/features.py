"""The classifier whose features Frechet distances are measured in, trained on the training split.

Where the images have no classes it tells four rotations apart (Gidaris et al., ICLR 2018, arXiv
1803.07728).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lebm_core.data.dataset import Batch
from lebm_core.evaluation.evaluators import trained_once
from lebm_images.data.dataset import ImageDataset

__all__ = ["Classifier", "ClassifierOptions", "Features", "features_of", "trained_classifier"]

ROTATIONS = 4
AT_ONCE = 500  # images


class Features(Protocol):
    """A network that distances are measured in."""

    def features(self, x: Tensor) -> Tensor:
        """Compute (B, F) of x (B, C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class ClassifierOptions:
    """Sizes and training of a classifier; part of the key under which it is cached."""

    width: int = 32
    features: int = 64
    epochs: int = 3
    batch_size: int = 128
    lr: float = 2e-3
    seed: int = 0


class Classifier(nn.Module):
    """Two convolutions and a layer of features, followed by the logits of the classes.

    Args:
        channels: of the images.
        side: of the images.
        classes: number of classes.
        options: sizes.
    """

    name: ClassVar[str] = "features"

    def __init__(self, channels: int, side: int, classes: int, options: ClassifierOptions) -> None:
        super().__init__()
        self.body = self.layers(channels, side, options)
        self.head = nn.Linear(options.features, classes)

    def layers(self, channels: int, side: int, options: ClassifierOptions) -> nn.Sequential:
        """Build the layers from an image to its features."""
        w = options.width
        return nn.Sequential(
            nn.Conv2d(channels, w, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(w, 2 * w, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2 * w * (side // 4) ** 2, options.features), nn.ReLU(),
        )  # fmt: skip

    def features(self, x: Tensor) -> Tensor:
        """Compute (B, F) of x (B, C, H, W) in [-1, 1]."""
        features: Tensor = self.body(x)
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits (B, classes)."""
        logits: Tensor = self.head(self.body(x))
        return logits


def trained_classifier(
    data: ImageDataset,
    options: ClassifierOptions,
    cache: Path,
    device: torch.device,
    log: Callable[[str], None],
    kind: type[Classifier] = Classifier,
) -> tuple[Classifier, float]:
    """Train a classifier of the training split, or read it from the cache.

    Its classes are the data set's, or four rotations where that has none.

    Args:
        data: images.
        options: sizes and training.
        cache: folder of evaluators.
        device: where it is trained and put.
        log: takes lines of progress.
        kind: its network.

    Returns:
        The classifier, in evaluation mode, and its accuracy on the validation split.
    """
    sizes = data.sizes
    classes = len(data.classes) or ROTATIONS
    model, facts = trained_once(
        cache / "classifiers",
        [kind.__name__, asdict(options), sizes, data.summary],
        lambda: kind(sizes["channels"], sizes["side"], classes, options).to(device),
        lambda model: {"accuracy": _train(model, data, options, device)},
        log,
        kind.name,
        seed=options.seed,
    )
    return model.eval(), float(facts["accuracy"])


def _train(
    model: Classifier, data: ImageDataset, options: ClassifierOptions, device: torch.device
) -> float:
    """Train in place; return the accuracy on the validation split."""
    steps = options.epochs * max(1, -(-data.length("train") // options.batch_size))
    adam = torch.optim.AdamW(model.parameters(), lr=options.lr, weight_decay=1e-4, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, options.lr, total_steps=steps + 1)
    generator = torch.Generator().manual_seed(options.seed)
    model.train()
    for _ in range(options.epochs):
        for batch in data.batches("train", options.batch_size, generator=generator):
            adam.zero_grad()
            x, y = (part.to(device) for part in _task(batch))
            F.cross_entropy(model(x), y, ignore_index=-1).backward()
            adam.step()
            schedule.step()
    model.eval()
    correct = total = 0
    with torch.no_grad():
        for batch in data.batches("valid", AT_ONCE):
            x, y = _task(batch)
            correct += int((model(x.to(device)).argmax(1).cpu() == y).sum())
            total += int((y >= 0).sum())
    return correct / max(1, total)


def _task(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return images and their targets: classes, or the number of quarter turns of each."""
    if batch.y is not None:
        return batch.x, batch.y
    rotated = [torch.rot90(batch.x, k, (2, 3)) for k in range(ROTATIONS)]
    return torch.cat(rotated), torch.arange(ROTATIONS).repeat_interleave(len(batch.x))


@torch.no_grad()
def features_of(net: Features, batches: Iterable[Tensor], device: torch.device) -> Tensor:
    """Compute the features of all images, (N, F) in float64 on the CPU."""
    return torch.cat([net.features(x.to(device)).double().cpu() for x in batches])
