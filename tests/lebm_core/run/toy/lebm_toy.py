"""A plugin for tests: two Gaussian modes in the plane, a decoder with dropout, an encoder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.distributions import Independent, Normal

from lebm_core import hookimpl
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.evaluation.values import Value, in_row
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder, gaussian_code

RECIPE = """
summary = "two modes"
expected = "mean near 0"
[data]
name = "toy"
batch_size = 16
[prior]
latent_dim = 2
[prior.energy]
hidden = [16]
[prior.sampler]
steps = 5
[decoder]
name = "toy"
[encoder]
name = "toy"
[training]
epochs = 2
log_every = 5
checkpoint_every = 7
ema = 0.9
device = "cpu"
[training.parts]
prior = { lr = 1e-2 }
[evaluation]
metrics = ["toy.mean"]
samples = 20
[baseline.f0]
"prior.name" = "gaussian"
[preset.cpu]
"training.epochs" = 3
"""
MEAN = "Mean of all coordinates."


class ToyData(Dataset):
    suffix = ".csv"

    def __init__(self, examples: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        sign = torch.randint(2, (examples, 1), generator=generator) * 2.0 - 1
        self.x = sign * 2 + 0.3 * torch.randn(examples, 2, generator=generator)
        self.cut = {"train": examples * 3 // 4, "test": examples - examples * 3 // 4, "valid": 0}
        self.sizes = {"features": 2}
        self.summary = {"examples": examples}

    def length(self, split):
        return self.cut[split]

    def batch(self, split, index):
        first = 0 if split == "train" else self.cut["train"]
        return Batch(self.x[first + index], rows=index)

    def write(self, x, path: Path) -> Path:
        target = path.with_suffix(".csv")
        target.write_text("\n".join(",".join(f"{v:.4f}" for v in row) for row in x.tolist()))
        return target

    def save(self, folder: Path) -> None:
        (folder / "toy.json").write_text(json.dumps({"features": 2}))

    @classmethod
    def load(cls, folder: Path):
        json.loads((folder / "toy.json").read_text())
        return cls(0, 0)


def build(*, files, seed: int, examples: int = 64) -> ToyData:
    """Two modes.

    Args:
        examples: how many.
    """
    return ToyData(examples, seed)


class ToyDecoder(Decoder):
    def __init__(
        self, latent_dim: int, features: int, dropout: float = 0.2, layers: int = 0
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Sequential(
            nn.Linear(latent_dim, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, features)
        )
        for _ in range(layers):
            self.net.append(nn.Linear(features, features))

    def forward(self, z, context=None):
        return Independent(Normal(self.net(z), 0.5, validate_args=False), 1)


class ToyEncoder(Encoder):
    def __init__(self, latent_dim: int, features: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.net = nn.Sequential(nn.Linear(features, 16), nn.GELU(), nn.Linear(16, 2 * latent_dim))

    def forward(self, x, context=None):
        return gaussian_code(self.net(x))


class Mean:
    def __init__(self, calls: str = "") -> None:
        self.calls = calls

    def __call__(self, evaluation: Evaluation) -> dict[str, Value]:
        picture = evaluation.folder / "figures" / "toy.png"
        picture.write_bytes(evaluation.split.encode())
        evaluation.figure(picture, "No picture: the split's name.")
        if self.calls:
            with open(self.calls, "a") as file:
                file.write(evaluation.name + "\n")
        x = evaluation.samples
        error = float(x.std()) / math.sqrt(len(x))
        real = evaluation.dataset.x.mean()
        return {
            "mean": Value(float(x.mean()), error, len(x), "samples", MEAN),
            **in_row("real", {"mean": Value(float(real), None, 64, "train", MEAN)}),
            "bits": Value(None, None, 0, "test", "Nothing.", refused="it has no meaning here"),
        }


def mean(calls: str = "") -> Mean:
    """The mean of the samples.

    Args:
        calls: a file that each call adds a line to.
    """
    return Mean(calls)


class OtherData(ToyData):
    """Data that no recipe has."""


def other(evaluation: Evaluation) -> dict[str, Value]:
    evaluation.need(OtherData, "toy.other")
    return {}


def elsewhere() -> object:
    """A metric of other data."""
    return other


@hookimpl
def lebm_register_datasets(register):
    register("toy", "lebm_toy:build")


@hookimpl
def lebm_register_decoders(register):
    register("toy", "lebm_toy:ToyDecoder")


@hookimpl
def lebm_register_encoders(register):
    register("toy", "lebm_toy:ToyEncoder")


@hookimpl
def lebm_register_metrics(register):
    register("toy.mean", "lebm_toy:mean")
    register("toy.other", "lebm_toy:elsewhere")
