"""TwoDomains: two translators between two domains, and an energy or a critic of each domain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from lebm_core.base.arguments import entry, floats
from lebm_core.base.checks import choice, fits, whole
from lebm_core.base.modules import device_of, frozen
from lebm_core.base.randomness import uniform
from lebm_core.chains.samplers import Sampler
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.latent.decoder import Decoder, centre_of
from lebm_core.latent.encoder import Encoder
from lebm_core.models.base import arguments_of, shape_of
from lebm_core.models.hub import HubModel
from lebm_core.priors.base import Prior
from lebm_core.registry.parts import Part, arguments, make

__all__ = ["DOMAINS", "TwoDomains"]

DOMAINS = ("a", "b")


class TwoDomains(nn.Module, HubModel):
    """The model family "two-domains": x of domain A become x of domain B, and back.

    Each domain has an encoder, a decoder and a descriptor. The translation of a into B is the mean
    of B's decoder at the mean of A's encoder, so that the two translators are four networks of
    which a code can be shared (UNIT, Liu et al. 2017, arXiv 1703.00848) or not (CycleGAN, Zhu et
    al. 2017, arXiv 1703.10593). The descriptor p(x) ~ exp(f(x)) p0(x) refines translations by its
    chain (CycleCoopNets, Xie et al. 2021, arXiv 2103.04285), or f is a critic, and no chain is run.

    Args:
        encoder: q(z | x) of A; B has another of the same options.
        decoder: p(x | z) of A, of real numbers; likewise.
        descriptor: p(x) of A, over x as vectors; likewise.
        refine: whether translations are refined by the descriptor's chain.
        kept: training examples of A that the model keeps; `sample` translates draws of them.

    Raises:
        UsageError: where the parts do not fit each other.
    """

    sources: Tensor

    def __init__(
        self,
        encoder: Annotated[Encoder, Part("encoders", "perceptron")],
        decoder: Annotated[Decoder, Part("decoders", "perceptron")],
        descriptor: Annotated[Prior, Part("priors", "ebm", filled=("latent_dim",))],
        refine: bool = True,
        kept: int = 200,
    ) -> None:
        super().__init__()
        if encoder.latent_dim != decoder.latent_dim:
            raise UsageError(
                f"The encoder has {encoder.latent_dim} latent dimensions, the decoder "
                f"{decoder.latent_dim}: they must be equal."
            )
        self.shape = decoder.event_shape()
        if descriptor.latent_dim != math.prod(self.shape):
            raise UsageError(
                f"The descriptor has {descriptor.latent_dim} dimensions, and one x of the decoder "
                f"has the shape {self.shape}: they must be equal."
            )
        self.refine, self.kept = refine, whole("model.kept", kept, 1)
        fits(float(kept) * math.prod(self.shape), f"model.kept = {kept:,}")
        self.encoders = nn.ModuleList([encoder, encoder.replaced()])
        self.decoders = nn.ModuleList([decoder, decoder.replaced()])
        self.descriptors = nn.ModuleList([descriptor, descriptor.replaced()])
        self.register_buffer("sources", torch.zeros(kept, *self.shape))

    @property
    def encoder(self) -> Any:
        """The encoder of A, by whose options both are made."""
        return self.encoders[0]

    @property
    def decoder(self) -> Any:
        """The decoder of A."""
        return self.decoders[0]

    @property
    def descriptor(self) -> Any:
        """The descriptor of A."""
        return self.descriptors[0]

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self)

    @classmethod
    def sizes(cls, tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The shape of one x of a domain; a code is as wide as x unless its table says otherwise.

        Raises:
            UsageError: for data that are not real numbers of two domains.
        """
        shape = shape_of(dataset)
        if shape is None or len(shape) < 2 or shape[0] != 2:
            raise UsageError(
                "The model two-domains needs real numbers of two domains, x of the shape (2, ...), "
                f"and the examples of {dataset.name} are others."
            )
        return {**dataset.sizes, "shape": shape[1:], "latent_dim": math.prod(shape[1:])}

    @classmethod
    def build(
        cls, tables: Mapping[str, Any], options: Mapping[str, Any], dataset: Dataset, seed: int
    ) -> Self:
        """The untrained model of a recipe; see `lebm_core.models.base.build`."""
        sizes = cls.sizes(tables, dataset)
        torch.manual_seed(seed)
        marks = {name: mark for name, mark in arguments_of(cls).items() if mark is not None}
        parts = {name: make(mark, tables.get(name), sizes) for name, mark in marks.items()}
        model = cls(**arguments(cls, {**options, **parts}, {}, "model two-domains"))
        rows = torch.arange(model.kept) % dataset.length("train")
        model.sources.copy_(dataset.batch("train", rows).x[:, 0])
        return model

    def parts(self) -> dict[str, nn.Module]:
        """Encoders, decoders and descriptors; the two of a kind have one optimiser."""
        return {
            "encoder": self.encoders, "decoder": self.decoders, "descriptor": self.descriptors
        }  # fmt: skip

    def code(self, x: Tensor, domain: int) -> Distribution:
        """q(z | x) for x (B, ...) of the domain."""
        found: Distribution = self.encoders[domain](x)
        return found

    def decoded(self, z: Tensor, domain: int) -> Tensor:
        """The mean of p(x | z) of the domain, with gradients."""
        found: Tensor = centre_of(self.decoders[domain](z))
        return found

    def translated(self, x: Tensor, to: int) -> Tensor:
        """x (B, ...) of the other domain in the domain `to`, by the networks, with gradients."""
        return self.decoded(self.code(x, 1 - to).mean, to)

    def log_tilt(self, x: Tensor, domain: int) -> Tensor:
        """f(x) of the domain, (B,): the critic, or the energy without its reference."""
        prior: Any = self.descriptors[domain]
        f: Tensor = prior.log_tilt(x.flatten(1))
        return f

    def revised(
        self,
        x: Tensor,
        domain: int,
        *,
        sampler: Sampler | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The chain of the domain's descriptor from x (B, ...), without gradients."""
        prior: Any = self.descriptors[domain]
        with torch.no_grad(), frozen(prior, evaluating=True):
            start = prior.fold(x.detach().flatten(1))
            moved: Tensor = prior.sample(len(x), start=start, sampler=sampler, generator=generator)
        return moved.view_as(x)

    @entry
    @torch.no_grad()
    def translate(
        self,
        x: Any,
        to: Literal["a", "b"] = "b",
        *,
        refine: bool | None = None,
        sampler: Sampler | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """x of one domain in the other, (B, ...).

        Args:
            x: (B, ...) of the domain that is not `to`.
            to: "b" or "a".
            refine: run the chain of the domain `to`; None for the model's own `refine`.
            sampler: of the chain, in the place of the descriptor's own.
            generator: source of all randomness.

        Raises:
            UsageError: for another domain, or x of another shape.
        """
        choice("to", to, DOMAINS)
        target = DOMAINS.index(to)
        x = floats("x", x, self.shape, self, least=1)
        with frozen(self, evaluating=True):
            guess = self.translated(x, target)
        if not (self.refine if refine is None else refine):
            return guess
        return self.revised(guess, target, sampler=sampler, generator=generator)

    @entry
    @torch.no_grad()
    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n pairs (n, 2, ...): examples of A that the model keeps, beside their translations."""
        n = whole("n", n, 1, 2**62)
        fits(2.0 * n * math.prod(self.shape), f"n = {n:,} samples")
        rows = (uniform((n,), self.sources, generator) * self.kept).long().clamp(max=self.kept - 1)
        a = self.sources[rows]
        return torch.stack([a, self.translate(a, "b", generator=generator)], dim=1)

    def extra_repr(self) -> str:
        return f"shape={self.shape}, refine={self.refine}, kept={self.kept}"
