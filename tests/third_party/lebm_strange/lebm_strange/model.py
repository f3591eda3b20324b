"""A model family without latent variables: an energy in data space."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lebm_core import Component, Control, ControlledPrior, Dataset, EBMPrior, Energy, Part, Sampler
from lebm_core.errors import UsageError
from lebm_core.registry.parts import make, table_of

ENERGY, SAMPLER = Part("energies", "strange.waves"), Part("samplers", "strange.hmc")
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class DataEBM(Component):
    """p(x) proportional to exp(f(x)) N(x; 0, std^2 I): the mathematics of a prior, over x.

    Args:
        features: dimension of x; the data set gives it.
        energy: the network f.
        sampler: of the chains.
        std: of the reference.
        bound: C of f = C tanh(f/C), in nats.
    """

    def __init__(
        self,
        features: int,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        std: float = 1.5,
        bound: float = 10.0,
    ) -> None:
        super().__init__()
        network = make(ENERGY, energy, {"latent_dim": features})
        chain = make(SAMPLER, sampler)
        self.prior = EBMPrior(features, network, chain, reference_std=std, bound=bound)
        self.remember(energy=table_of(ENERGY, network), sampler=table_of(SAMPLER, chain))

    @classmethod
    def build(
        cls, tables: Mapping[str, Any], options: Mapping[str, Any], dataset: Dataset, seed: int
    ) -> DataEBM:
        if "features" not in dataset.sizes:
            raise UsageError("The model strange.ebm needs data of vectors; this gives no features.")
        torch.manual_seed(seed)
        return cls(**{"features": dataset.sizes["features"], **options, **tables})

    def parts(self) -> dict[str, nn.Module]:
        return {"energy": self.prior}

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        control: Control | Sequence[Control] = (),
        generator: torch.Generator | None = None,
    ) -> Tensor:
        several = [control] if isinstance(control, Control) else list(control)
        prior = ControlledPrior(self.prior, several) if several else self.prior
        return prior.sample(n, generator=generator)

    def save_pretrained(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / CONFIG).write_text(json.dumps(self.options))
        save_file(self.state_dict(), Path(folder) / WEIGHTS)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> DataEBM:
        model = cls(**json.loads((Path(folder) / CONFIG).read_text()))
        model.load_state_dict(load_file(Path(folder) / WEIGHTS))
        return model.eval()
