"""LatentEBM: p(x, z) = p(z) p(x | z), a prior and a decoder, and perhaps an encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from torch import Tensor

from lebm_core.base.arguments import entry
from lebm_core.base.checks import fits, whole
from lebm_core.chains.samplers import Langevin
from lebm_core.control.base import Control, controls_in
from lebm_core.control.heads import PropertyHeads
from lebm_core.control.prior import ControlledPrior
from lebm_core.control.sampling import Classes, draw_codes
from lebm_core.control.shift import ControlShift, control_shift
from lebm_core.data.dataset import Batch, Dataset
from lebm_core.errors import UsageError
from lebm_core.evidence.completion import complete
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_prob import log_evidence
from lebm_core.evidence.score import Score, score
from lebm_core.latent.decoder import Decoder, join
from lebm_core.latent.encoder import Encoder
from lebm_core.latent.inference import Inference
from lebm_core.latent.parts import LatentModel
from lebm_core.models.base import shape_of
from lebm_core.models.hub import PARTS, HubModel
from lebm_core.priors.base import Prior
from lebm_core.priors.gaussian import GaussianPrior
from lebm_core.priors.protocols import Coupled
from lebm_core.registry.parts import make

__all__ = ["LatentEBM"]

LATENT_DIM = 32  # of a recipe that does not say


class LatentEBM(LatentModel, HubModel):
    """The model family "latent-ebm": p(x, z) = p(z) p(x | z), and the object of the Python API.

    Its parts are those of `LatentModel`; `heads` are property heads by name, see `fit_property`.
    """

    def __init__(
        self,
        prior: Annotated[Prior, PARTS["prior"]],
        decoder: Annotated[Decoder, PARTS["decoder"]],
        encoder: Annotated[Encoder | None, PARTS["encoder"]] = None,
        inference: Annotated[Inference | None, PARTS["inference"]] = None,
    ) -> None:
        super().__init__(prior, decoder, encoder, inference)
        self.heads: PropertyHeads = PropertyHeads()

    @classmethod
    def sizes(cls, tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """What the data and the prior's table give to all parts."""
        shape = shape_of(dataset)
        known = dataset.sizes if shape is None else {"shape": shape, **dataset.sizes}
        return {**known, "latent_dim": int(tables["prior"].get("latent_dim", LATENT_DIM))}

    @classmethod
    def build(
        cls, tables: Mapping[str, Any], options: Mapping[str, Any], dataset: Dataset, seed: int
    ) -> Self:
        """The untrained model of a recipe; see `lebm_core.models.base.build`."""
        torch.manual_seed(seed)
        model = cls(**cls.made(tables, dataset, cls.sizes(tables, dataset)), **options)
        known = model.prior.n_classes == len(dataset.classes)
        model.classes = tuple(dataset.classes) if known else ()
        return model

    @classmethod
    def made(
        cls, tables: Mapping[str, Any], dataset: Dataset, sizes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parts of a recipe by name, made in the order in which their weights are drawn."""
        d = sizes["latent_dim"]
        decoder: Decoder = make(PARTS["decoder"], tables["decoder"], sizes)
        decoder.initialise(dataset)
        encoder: Encoder | None = make(PARTS["encoder"], tables.get("encoder") if d else "", sizes)
        if encoder is not None:
            encoder.initialise(dataset)
        prior: Prior = make(PARTS["prior"], tables["prior"], sizes) if d else GaussianPrior(0)
        inference = make(PARTS["inference"], tables.get("inference"), sizes) if d else None
        return {"prior": prior, "decoder": decoder, "encoder": encoder, "inference": inference}

    @property
    def density(self) -> LatentEBM:
        """The model that has the density of x: this one, where its family holds no second."""
        return self

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
        **decoding: Any,
    ) -> Any:
        """n draws of x, in batches of `batch_size`.

        With y or controls the draws of the prior are moved into those of a `ControlledPrior`.

        Args:
            n: how many.
            y: class, an id or a name, or n of them, for a coupled prior.
            control: ClassIs, Property, Function, Not, or several: energies added to the prior.
            context: (n, c), for a conditioned prior.
            generator: source of all randomness.
            batch_size: chains run at once.
            decoding: passed to the `sample` of p(x | z), for instance temperature=0.8.

        Raises:
            UsageError: for a class, a property or a control that this model does not know.
            DivergenceError: where the control is too strong for the chain.
        """
        n, batch_size = whole("n", n, 1, 2**62), whole("batch_size", batch_size, 1)
        context = self.context_of(context, n)
        fits(float(n) * self.decoder.numbers_of_one(context), f"n = {n:,} samples")
        codes = draw_codes(
            self.prior, n, y=y, control=control, heads=self.heads.known, classes=self.classes,
            context=context, batch_size=batch_size, generator=generator, by_chain=self.observed,
        )  # fmt: skip
        parts = []
        for rows, z in codes:
            given = None if context is None else context[rows]
            parts.append(self.decode(z, given, generator=generator, **decoding))
        return join(parts, getattr(self.decoder, "pad", 0))

    def controlled(self, control: Control | Sequence[Control]) -> ControlledPrior:
        """The prior under controls; a prior itself.

        Raises:
            UsageError: for a class, a property or a control that this model does not know.
        """
        return ControlledPrior(self.prior, controls_in(control), self.heads.known, self.classes)

    def control_shift(
        self,
        control: Control | Sequence[Control],
        n: int = 2000,
        *,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> ControlShift:
        """How far controls move the prior, from n draws before and after, of each context."""
        return control_shift(self.controlled(control), n, context=context, generator=generator)

    def reconstruct(
        self, x: Any, *, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Any:
        """x -> z -> the mean (or mode) of p(x | z).

        z is the mean of q(z | x) where the model's inference is the encoder alone, else a draw.
        """
        x, context = self.arguments(x, context)
        return self.decode_mode(self.code(x, context, generator), context)

    def interpolate(
        self, x0: Any, x1: Any, steps: int = 8, *, generator: torch.Generator | None = None
    ) -> Any:
        """Decode `steps` points on the line between the codes of one x0 and one x1 (batch 1)."""
        fits(float(whole("steps", steps, 1)) * self.latent_dim, f"steps = {steps:,} points")
        z0, z1 = self.code(x0, None, generator), self.code(x1, None, generator)
        if (len(z0), len(z1)) != (1, 1):
            raise UsageError(f"x0 and x1 hold {len(z0)} and {len(z1)} examples; give one each.")
        weight = torch.linspace(0, 1, steps, device=z0.device)[:, None]
        return self.decode_mode((1 - weight) * z0 + weight * z1)

    @entry
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        *,
        context: Tensor | None = None,
        steps: int = 100,
        step_size: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Fill in x where `mask` is False or x NaN; see `lebm_core.evidence.completion`."""
        sampler = Langevin(steps, step_size)
        return complete(self, x, mask, sampler, context=context, generator=generator)

    @entry
    @torch.no_grad()
    def classify(
        self,
        x: Any,
        *,
        draws: int = 10,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """p(y | x), (B, C): the mean of softmax F(z) over draws of the posterior.

        Args:
            x: examples.
            draws: how many.
            context: (B, c), of a conditioned model: p(y | x, context).
            generator: source of all randomness.

        Raises:
            UsageError: where the prior is not coupled.
        """
        if self.prior.n_classes == 0:
            raise UsageError("classify() needs a coupled prior (prior.name = coupled).")
        whole("draws", draws, 1)
        x, context = self.arguments(x, context)
        fits(float(draws) * len(x) * self.prior.n_classes, f"draws = {draws:,}")
        prior: Coupled = self.prior  # type: ignore[assignment]
        codes = (self.posterior(x, context=context, generator=generator) for _ in range(draws))
        return torch.stack([prior.logits(z, context).softmax(-1) for z in codes]).mean(0)

    @entry
    def score(
        self, x: Any, *, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Score:
        """The anomaly score -log p(x, z) with its parts; higher is more unusual.

        z is the mean of q(z | x) where the model's inference is the encoder alone, else a draw.
        """
        x, context = self.arguments(x, context)
        return score(self, x, self.code(x, context, generator), context)

    @entry
    def log_prob(
        self,
        x: Any,
        *,
        method: str = "importance",
        n_samples: int = 50,
        context: Tensor | None = None,
        log_z: Estimate | None = None,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Estimate:
        """log p(x), (B,) in nats, with its standard error; see `lebm_core.evidence.log_prob`."""
        return log_evidence(
            self, Batch(x, context=context), method=method, n_samples=n_samples, log_z=log_z,
            generator=generator, **options,
        )  # fmt: skip
