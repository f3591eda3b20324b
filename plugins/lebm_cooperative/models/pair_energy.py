"""PairEnergyGenerator: a variational autoencoder beside an energy of the pair (x, z)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from lebm_core.base.arguments import entry
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.latent.inference import Inference
from lebm_core.models.base import need_shape, sizes_for
from lebm_core.models.hub import PARTS
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.registry.parts import Part, make

__all__ = ["PairEnergyGenerator"]

DESCRIPTOR = Part("priors", "ebm", filled=("latent_dim",))


class PairEnergyGenerator(LatentEBM):
    """The model family "pair-energy-generator": a VAE and a descriptor r(x, z) of pairs.

    Samples, codes and densities are those of the autoencoder, whose adversary the energy is in
    training (Han et al. 2020, arXiv 2006.06059); `pair_energy` scores an example by it.

    Args:
        prior: p(z) of the generator.
        decoder: p(x | z), of real numbers.
        encoder: q(z | x).
        inference: how z given x is drawn.
        descriptor: r, over x and z side by side as one vector.

    Raises:
        UsageError: where the parts do not fit each other.
    """

    def __init__(
        self,
        prior: Annotated[Prior, PARTS["prior"]],
        decoder: Annotated[Decoder, PARTS["decoder"]],
        encoder: Annotated[Encoder | None, PARTS["encoder"]] = None,
        inference: Annotated[Inference | None, PARTS["inference"]] = None,
        descriptor: Annotated[Prior | None, DESCRIPTOR] = None,
    ) -> None:
        super().__init__(prior, decoder, encoder, inference)
        if descriptor is None or encoder is None:
            raise UsageError(
                "The model pair-energy-generator needs a descriptor (descriptor.name) and an "
                "encoder (encoder.name)."
            )
        self.shape = decoder.event_shape()
        numbers = math.prod(self.shape) + prior.latent_dim
        if descriptor.latent_dim != numbers:
            raise UsageError(
                f"The descriptor has {descriptor.latent_dim} dimensions, and a pair of x and z has "
                f"{numbers}: they must be equal."
            )
        self.descriptor = descriptor

    @classmethod
    def sizes(cls, tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Those of a `LatentEBM`, and of the descriptor, which is over x and z in one vector.

        Raises:
            UsageError: for data that are not real numbers of one shape.
        """
        shape = need_shape(dataset, "pair-energy-generator")
        sizes = super().sizes(tables, dataset)
        numbers = math.prod(shape) + sizes["latent_dim"]
        return {**sizes, "descriptor": {"shape": [numbers], "latent_dim": numbers}}

    @classmethod
    def made(
        cls, tables: Mapping[str, Any], dataset: Dataset, sizes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parts of a recipe by name."""
        parts = super().made(tables, dataset, sizes)
        given = sizes_for("descriptor", sizes)
        return {**parts, "descriptor": make(DESCRIPTOR, tables["descriptor"], given)}

    def parts(self) -> dict[str, nn.Module]:
        """The autoencoder's parts and the descriptor, each with its own optimiser."""
        return {**super().parts(), "descriptor": self.descriptor}

    @entry
    @torch.no_grad()
    def decode(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        **decoding: Any,
    ) -> Any:
        """g(z), the mean of p(x | z), as the energy saw it in training.

        Raises:
            UsageError: for an option of decoding but "noise", which there is none of.
        """
        for name in decoding.keys() - {"noise"}:
            raise UsageError(f"A generator of real numbers decodes in one way: leave {name} out.")
        return self.decode_mode(z, context)

    @entry
    @torch.no_grad()
    def pair_energy(self, x: Any, *, context: Tensor | None = None) -> Tensor:
        """-log r(x, z), (B,) up to log Z, at the mean z of q(z | x): higher is more unusual."""
        x, context = self.arguments(x, context)
        z = self.need_encoder("pair_energy")(x, context).mean
        given = context if self.descriptor.context_dim else None
        return self.descriptor.energy(torch.cat([x.flatten(1), z], 1), given)
