"""EnergyGenerator: a generator p(z) p(x | z) beside a descriptor, an energy-based model of x."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from lebm_core.base.arguments import entry
from lebm_core.base.checks import fits, whole
from lebm_core.base.randomness import fork
from lebm_core.chains.samplers import Sampler
from lebm_core.control.base import Control
from lebm_core.control.sampling import Classes, draw_codes, ids_of
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.score import Score
from lebm_core.latent.decoder import Decoder
from lebm_core.latent.encoder import Encoder
from lebm_core.latent.inference import Inference
from lebm_core.models.base import need_shape, sizes_for
from lebm_core.models.ebm import EBM
from lebm_core.models.hub import PARTS
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.protocols import Coupled
from lebm_core.registry.parts import Part, make

__all__ = ["EnergyGenerator"]

DESCRIPTOR = Part("priors", "ebm", filled=("latent_dim",))


class EnergyGenerator(LatentEBM):
    """The model family "energy-generator": a generator and a descriptor p(x) ~ exp(f(x)) p0(x).

    The generator draws z from the prior and gives g(z), the mean of p(x | z). In cooperative
    learning (Xie et al. 2018, arXiv 1609.09408) the descriptor's chain starts there and refines
    it; in adversarial learning f is the critic, and no chain is run. Codes (`posterior`,
    `reconstruct`, `interpolate`) are the generator's; densities (`log_prob`, `score`, `complete`)
    are the descriptor's. Neither is taught p(y | x), so `classify` is refused.

    Args:
        prior: p(z) of the generator.
        decoder: p(x | z), of real numbers.
        encoder: q(z | x), or None.
        inference: how z given x is drawn.
        descriptor: p(x), over x as vectors.
        refine: whether samples are refined by the descriptor's chain.

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
        refine: bool = True,
    ) -> None:
        super().__init__(prior, decoder, encoder, inference)
        if descriptor is None:
            raise UsageError("The model energy-generator needs a descriptor (descriptor.name).")
        self.shape = decoder.event_shape()
        if descriptor.latent_dim != math.prod(self.shape):
            raise UsageError(
                f"The descriptor has {descriptor.latent_dim} dimensions, and one x of the decoder "
                f"has the shape {self.shape}: they must be equal."
            )
        self.descriptor, self.refine = descriptor, refine

    @classmethod
    def sizes(cls, tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """Those of a `LatentEBM`, and of the descriptor, which is over x.

        Raises:
            UsageError: for data that are not real numbers of one shape.
        """
        shape = need_shape(dataset, "energy-generator")
        own = {"shape": shape, "latent_dim": math.prod(shape)}
        return {**super().sizes(tables, dataset), "descriptor": own}

    @classmethod
    def made(
        cls, tables: Mapping[str, Any], dataset: Dataset, sizes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parts of a recipe by name."""
        parts = super().made(tables, dataset, sizes)
        given = sizes_for("descriptor", sizes)
        descriptor: Prior = make(DESCRIPTOR, tables["descriptor"], given)
        if (initialise := getattr(descriptor, "initialise", None)) is not None:
            initialise(dataset)
        return {**parts, "descriptor": descriptor}

    def parts(self) -> dict[str, nn.Module]:
        """The generator's parts and the descriptor, each with its own optimiser."""
        return {**super().parts(), "descriptor": self.descriptor}

    @property
    def density(self) -> EBM:
        """The descriptor as a model of the family "ebm", of the same weights."""
        model = EBM(self.descriptor, self.shape)
        model.classes, model.data = self.classes, self.data
        return model.train(self.training)

    @entry
    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Classes | None = None,
        control: Control | Sequence[Control] = (),
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        batch_size: int = 500,
        refine: bool | None = None,
        **decoding: Any,
    ) -> Tensor:
        """n draws of x: g(z), refined by the descriptor's chain or not.

        Args:
            n: how many.
            y: class, an id or a name, or n of them, for a coupled prior.
            control: ClassIs, Property, Function, Not, or several, of z.
            context: (n, c), for a conditioned model.
            generator: source of all randomness.
            batch_size: chains run at once.
            refine: run the chain; None for the model's own `refine`.
            decoding: "noise" alone, asked for or not: g(z) has none.

        Raises:
            UsageError: for a class, a property or a control that this model does not know.
        """
        for name in decoding.keys() - {"noise"}:
            raise UsageError(f"A generator of real numbers decodes in one way: leave {name} out.")
        n, batch_size = whole("n", n, 1, 2**62), whole("batch_size", batch_size, 1)
        context = self.context_of(context, n)
        fits(float(n) * math.prod(self.shape), f"n = {n:,} samples")
        ids = None if y is None else ids_of(y, n, self.prior.n_classes, self.classes)
        codes = draw_codes(
            self.prior, n, y=ids, control=control, heads=self.heads.known, classes=self.classes,
            context=context, batch_size=batch_size, generator=generator,
        )  # fmt: skip
        parts = []
        for rows, z in codes:
            given = None if context is None else context[rows]
            x = self.decode_mode(z, given)
            if self.refine if refine is None else refine:
                of = self._classes_of(z, None if ids is None else ids[rows], given, generator)
                x = self.refined(x, given, y=of, generator=generator)
            parts.append(x)
        return torch.cat(parts)

    def _classes_of(
        self,
        z: Tensor,
        ids: Tensor | None,
        context: Tensor | None,
        generator: torch.Generator | None,
    ) -> Tensor | None:
        """The class of each sample's chain, (B,): the requested one, or a draw of p(y | z)."""
        if not 0 < self.prior.n_classes == self.descriptor.n_classes:
            return None
        if ids is not None:
            return ids.to(self.device)
        prior: Coupled = self.prior  # type: ignore[assignment]
        with fork(generator):
            return prior.logits(z, context).softmax(-1).multinomial(1).squeeze(1)

    def refined(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        y: Tensor | None = None,
        sampler: Sampler | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The descriptor's chain from x (B, ...), such as from the generator's draws.

        Args:
            x: where it starts.
            context: (B, c), for a conditioned model.
            y: (B,) class ids, for the chain of F_y of a coupled descriptor.
            sampler: in place of the descriptor's own.
            generator: source of all randomness.
        """
        given = context if self.descriptor.context_dim else None
        return self.density.translate(x, y=y, sampler=sampler, context=given, generator=generator)

    def complete(self, x: Tensor, mask: Tensor, **options: Any) -> Tensor:
        """Fill in x where `mask` is False or x NaN, by the descriptor's chain; see `EBM`."""
        return self.density.complete(x, mask, **options)

    def classify(self, x: Any, **options: Any) -> Tensor:
        """Refused by a UsageError: F_y of each class is learned up to a constant of its own."""
        raise UsageError(
            "An energy-generator cannot tell classes: each class's energy is learned from examples "
            "of that class alone, up to a constant. For a classifier and a generator at once use "
            'model.name = "ebm" with prior.name = "coupled".'
        )

    def score(self, x: Any, **options: Any) -> Score:
        """The anomaly score -log p(x) of the descriptor, up to log Z; see `EBM`."""
        return self.density.score(x, **options)

    def log_prob(self, x: Any, **options: Any) -> Estimate:
        """log p(x) of the descriptor, (B,) in nats; see `EBM`."""
        return self.density.log_prob(x, **options)
