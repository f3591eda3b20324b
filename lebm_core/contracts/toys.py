"""Small parts that the checks put beside the one that is checked: a linear-Gaussian model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from lebm_core.data.dataset import Batch, Dataset
from lebm_core.evaluation.evaluation import Evaluation
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder, gaussian_code
from lebm_core.latent.inference import Inference
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.ebm import EBMPrior

__all__ = ["FEATURES", "Points", "ToyDecoder", "ToyEncoder", "evaluation", "latent_model"]

FEATURES, LATENT_DIM = 3, 2


class ToyDecoder(Decoder):
    """x = W z + eps / 2."""

    capturable = True

    def __init__(self, latent_dim: int = LATENT_DIM) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.linear = nn.Linear(latent_dim, FEATURES)

    def forward(self, z: Tensor) -> Independent[Normal]:  # type: ignore[override]
        return Independent(Normal(self.linear(z), 0.5, validate_args=False), 1)


class ToyEncoder(Encoder):
    """A linear Gaussian encoder."""

    def __init__(self, latent_dim: int = LATENT_DIM) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.linear = nn.Linear(FEATURES, 2 * latent_dim)

    def forward(self, x: Tensor) -> Independent[Normal]:  # type: ignore[override]
        return gaussian_code(self.linear(x))


class Points(Dataset):
    """Draws of N(0, I) in three dimensions, with two classes and a property.

    Args:
        n: examples of the training split; the test split has half as many.
    """

    suffix: ClassVar[str] = ".json"

    def __init__(self, n: int = 32) -> None:
        drawn = torch.randn(n + n // 2, FEATURES, generator=torch.Generator().manual_seed(0))
        self.x = {"train": drawn[:n], "test": drawn[n:]}
        self.sizes = {"features": FEATURES, "n_classes": 2}
        self.classes = ("below", "above")
        self.summary = {"examples": len(drawn)}

    def length(self, split: str) -> int:
        return len(self.x[split]) if split in self.x else 0

    def batch(self, split: str, index: Tensor) -> Batch:
        x = self.x[split][index]
        return Batch(x, (x[:, 0] > 0).long(), rows=index)

    def write(self, x: Tensor, path: Path) -> Path:
        file = path.with_name(path.name + self.suffix)
        file.write_text(json.dumps(x.tolist()))
        return file

    def save(self, folder: Path) -> None:
        """There is no preprocessing."""

    @classmethod
    def load(cls, folder: Path) -> Points:
        return cls(0)

    def properties(self, split: str, index: Tensor) -> dict[str, Tensor]:
        return {"first": self.x[split][index][:, 0]}


def latent_model(
    prior: Prior | None = None,
    inference: Inference | None = None,
    *,
    encoder: bool = True,
    sampler: Mapping[str, Any] | None = None,
) -> LatentEBM:
    """A model of `Points`; by default its prior is an `EBMPrior`.

    Args:
        prior: with two latent dimensions.
        inference: how z given x is drawn.
        encoder: whether there is one.
        sampler: the table of the default prior's sampler.
    """
    torch.manual_seed(0)
    if prior is None:
        prior = EBMPrior(LATENT_DIM, energy={"hidden": [8]}, sampler=sampler or {"steps": 3})
    decoder = ToyDecoder(prior.latent_dim)
    return LatentEBM(prior, decoder, ToyEncoder(prior.latent_dim) if encoder else None, inference)


def evaluation(
    folder: Path, model: Any = None, dataset: Dataset | None = None, split: str = "test"
) -> Evaluation:
    """The evaluation of a model, by default of `latent_model()` on `Points`."""
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    judged = latent_model().eval() if model is None else model

    def draw() -> Any:
        return judged.sample(20, generator=torch.Generator().manual_seed(0))

    return Evaluation(
        model=judged,
        dataset=Points() if dataset is None else dataset,
        split=split,
        generator=torch.Generator().manual_seed(0),
        seed=0,
        cache=folder,
        folder=folder,
        recipe=None,
        log=lambda line: None,
        draw=draw,
    )
