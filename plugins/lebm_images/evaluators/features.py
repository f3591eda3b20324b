"""The feature module of the distances: a small classifier of the training split.

Where the images have no classes it tells four rotations apart (Gidaris et al., ICLR 2018, arXiv
1803.07728).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from lebm_core.base.files import write_atomically
from lebm_core.data.dataset import Batch
from lebm_images.data.dataset import ImageDataset

__all__ = ["Classifier", "ClassifierOptions", "Features", "classifier", "features_of"]

ROTATIONS = 4


class Features(Protocol):
    """A network that distances are measured in."""

    def features(self, x: Tensor) -> Tensor:
        """(B, F) for x (B, C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class ClassifierOptions:
    """Sizes and training; part of the key under which it is cached."""

    width: int = 32
    features: int = 64
    epochs: int = 3
    batch_size: int = 128
    lr: float = 2e-3
    seed: int = 0


class Classifier(nn.Module):
    """Two convolutions and a layer of features, from which the classes are read.

    Args:
        channels: of the images.
        side: of the images.
        classes: number of classes.
        options: sizes.
    """

    purpose: ClassVar[str] = "whose features the distances use"

    def __init__(self, channels: int, side: int, classes: int, options: ClassifierOptions) -> None:
        super().__init__()
        self.body = self.layers(channels, side, options)
        self.head = nn.Linear(options.features, classes)

    def layers(self, channels: int, side: int, options: ClassifierOptions) -> nn.Sequential:
        """From an image to its features."""
        w = options.width
        return nn.Sequential(
            nn.Conv2d(channels, w, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(w, 2 * w, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(2 * w * (side // 4) ** 2, options.features), nn.ReLU(),
        )  # fmt: skip

    def features(self, x: Tensor) -> Tensor:
        """(B, F) for x (B, C, H, W) in [-1, 1]."""
        found: Tensor = self.body(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes)."""
        found: Tensor = self.head(self.body(x))
        return found


def classifier(
    data: ImageDataset,
    options: ClassifierOptions,
    cache: Path,
    device: torch.device,
    log: Callable[[str], None],
    kind: type[Classifier] = Classifier,
) -> tuple[Classifier, float]:
    """A classifier of the training split, from the cache or trained, and its accuracy on "valid".

    Its classes are the data set's, or four rotations where that has none; `kind` is its network.
    """
    sizes = data.sizes
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(options.seed)
    classes = len(data.classes) or ROTATIONS
    model = kind(sizes["channels"], sizes["side"], classes, options).to(device)
    facts = [kind.__name__, asdict(options), sizes, data.summary]
    key = json.dumps(facts, sort_keys=True, default=str)
    folder = cache / "classifier" / blake2b(key.encode(), digest_size=8).hexdigest()
    try:
        if (folder / "facts.json").is_file():
            model.load_state_dict(load_file(folder / "model.safetensors", device=str(device)))
            accuracy = float(json.loads((folder / "facts.json").read_text())["accuracy"])
            return model.eval(), accuracy
        log(f"trains the classifier {kind.purpose}")
        accuracy = _train(model, data, options, device)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), folder / "model.safetensors")
        write_atomically(folder / "facts.json", json.dumps({"accuracy": accuracy, "key": key}))
        return model.eval(), accuracy
    finally:
        torch.random.set_rng_state(torch_state)


def _train(
    model: Classifier, data: ImageDataset, options: ClassifierOptions, device: torch.device
) -> float:
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
    right = total = 0
    with torch.no_grad():
        for batch in data.batches("valid", 500):
            x, y = _task(batch)
            right += int((model(x.to(device)).argmax(1).cpu() == y).sum())
            total += int((y >= 0).sum())
    return right / max(1, total)


def _task(batch: Batch) -> tuple[Tensor, Tensor]:
    """Images and what is to be told of them: their classes, or by how much they are turned."""
    if batch.y is not None:
        return batch.x, batch.y
    turned = [torch.rot90(batch.x, k, (2, 3)) for k in range(ROTATIONS)]
    return torch.cat(turned), torch.arange(ROTATIONS).repeat_interleave(len(batch.x))


@torch.no_grad()
def features_of(net: Features, batches: Iterable[Tensor], device: torch.device) -> Tensor:
    """The features of all images, (N, F) in float64 on the CPU."""
    return torch.cat([net.features(x.to(device)).double().cpu() for x in batches])
