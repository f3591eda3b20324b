"""EBM: p(x) proportional to exp(f(x)) p0(x), a prior over x itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, keeps
from lebm_core.base.modules import frozen
from lebm_core.chains.samplers import Langevin, Sampler
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UsageError
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.log_z import checked_log_z
from lebm_core.evidence.score import Score
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.observed import ObservedDecoder, ObservedEncoder
from lebm_core.models.base import need_shape
from lebm_core.models.hub import PARTS
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.conditional import draw_unknown
from lebm_core.priors.protocols import DrawsUnknown
from lebm_core.registry.parts import make

__all__ = ["EBM"]


class EBM(LatentEBM):
    """The model family "ebm": an energy-based model in data space, p(x) ~ exp(f(x)) p0(x).

    It is a prior over x in the place of z, so samplers, rules, log Z, classes and controls are
    those of priors. A coupled prior makes it a classifier and a generator at once (Grathwohl et
    al., ICLR 2020, arXiv 1912.03263). The rule "data-space" teaches it.

    Args:
        prior: p(x), over x as vectors (B, d).
        shape: of one x; the data set gives it.

    Raises:
        UsageError: where x has other than d numbers.
    """

    observed = True

    def __init__(self, prior: Annotated[Prior, PARTS["prior"]], shape: Sequence[int]) -> None:
        d = prior.latent_dim
        decoder, encoder = ObservedDecoder(d, shape), ObservedEncoder(d)
        super().__init__(prior, decoder, encoder, Amortized(mean=True))
        self.shape = decoder.shape

    @classmethod
    def sizes(cls, tables: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The sizes that the data give to the parts: the shape of x, and d.

        Raises:
            UsageError: for data that are not real numbers of one shape.
        """
        groups = dataset.sizes.get("groups")
        if groups:
            raise UsageError(
                "The model ebm has a density over numbers, and these data have "
                f"{len(groups)} columns of categories: use the model latent-ebm, or leave them out."
            )
        shape = need_shape(dataset, "ebm")
        return {**dataset.sizes, "shape": shape, "latent_dim": math.prod(shape)}

    @classmethod
    def build(
        cls, tables: Mapping[str, Any], options: Mapping[str, Any], dataset: Dataset, seed: int
    ) -> Self:
        """The untrained model of a recipe; see `lebm_core.models.base.build`.

        Raises:
            UsageError: for data that are not real numbers of one shape.
        """
        sizes = cls.sizes(tables, dataset)
        if list(options.get("shape") or sizes["shape"]) != sizes["shape"]:
            raise UsageError(
                f"model.shape = {list(options['shape'])} must be {sizes['shape']}, the shape of "
                "one x of these data; leave it out."
            )
        torch.manual_seed(seed)
        prior: Prior = make(PARTS["prior"], tables["prior"], sizes)
        if (initialise := getattr(prior, "initialise", None)) is not None:  # p0 begins at the data
            initialise(dataset)
        model = cls(prior, sizes["shape"])
        model.classes = tuple(dataset.classes) if prior.n_classes == len(dataset.classes) else ()
        return model

    def parts(self) -> dict[str, torch.nn.Module]:
        """The prior, which is all that is trained."""
        return {"prior": self.prior}

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
        """z (B, d) in the shape of x; the noise of p(x | z) is none, asked for or not."""
        for name in decoding.keys() - {"noise"}:
            raise UsageError(f"A model of x itself decodes nothing: leave {name} out.")
        return self._codes(z, context)[0].view(-1, *self.shape)

    def decode_mode(self, z: Tensor, context: Tensor | None = None) -> Any:
        """z (B, d) in the shape of x."""
        return self.decode(z, context)

    def reconstruct(self, x: Any, **options: Any) -> Any:
        """Refused by a UsageError: there is no code to come back from."""
        raise UsageError("An energy-based model in data space has no code: use sample or complete.")

    def interpolate(self, x0: Any, x1: Any, steps: int = 8, **options: Any) -> Any:
        """Refused by a UsageError: there is no code to interpolate."""
        raise UsageError("An energy-based model in data space has no code to interpolate.")

    @entry
    def translate(
        self,
        x: Any,
        *,
        y: Tensor | None = None,
        sampler: Sampler | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """A chain of this model from given x: an example of another domain becomes one of this.

        Source: Zhao, Xie and Li, ICLR 2021 (coarse to fine, CF-EBM), by Langevin from the source.

        Args:
            x: (B, ...) where the chains start.
            y: (B,) class ids, for a chain on F_y of a coupled prior.
            sampler: in place of the prior's own.
            context: (B, c), for a conditioned model.
            generator: source of all randomness.
        """
        x, context = self.arguments(x, context)
        with frozen(self.prior, evaluating=True):
            start = self.prior.fold(_whole(x).flatten(1))
            z = self._chain(sampler)(self.prior.target(y, context), start, generator=generator)
        return self.decode_mode(z)  # type: ignore[no-any-return]

    def _chain(self, sampler: Sampler | None) -> Sampler:
        """The sampler that is given, or the prior's own, or Langevin dynamics where it has none."""
        if sampler is not None:
            if not isinstance(sampler, Sampler):
                kind = type(sampler).__name__
                raise UsageError(f"sampler is a {kind}; give a Sampler, such as MALA(100, 0.1).")
            if (check := getattr(self.prior, "check_sampler", None)) is not None:
                check(sampler)
            return sampler
        own = self.prior.sampler
        # Steps of a prior with levels of noise are in units of each level, not of x.
        if own is None or "steps" not in own.options or self.prior.n_levels > 1:
            return Langevin(100, 0.1)
        return own

    @entry
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        *,
        context: Tensor | None = None,
        steps: int = 0,
        step_size: float = 0.1,
        generator: torch.Generator | None = None,
        sampler: Sampler | None = None,
    ) -> Tensor:
        """Fill in x where `mask` is False or x NaN: a draw of p(unknown | known) by a chain.

        Args:
            x: (B, ...) examples.
            mask: where x is known.
            context: (B, c), for a conditioned model.
            steps: of Langevin dynamics in place of the prior's own sampler, or its way through
                levels of noise; 0 for that. Chains start at draws of p0 in the unknown coordinates.
            step_size: of Langevin dynamics.
            generator: source of all randomness.
            sampler: in place of either.
        """
        x, context = self.arguments(x, context)
        known = keeps("mask", mask, x) & ~x.isnan()
        given = Langevin(steps, step_size) if steps and sampler is None else sampler
        own = given is None and isinstance(self.prior, DrawsUnknown)
        chain = None if own else self._chain(given)
        z = draw_unknown(
            self.prior, x.flatten(1), known.flatten(1), chain, context=context, generator=generator
        )
        filled: Tensor = self.decode_mode(z)
        return filled

    @entry
    @torch.no_grad()
    def log_prob(
        self,
        x: Any,
        *,
        context: Tensor | None = None,
        log_z: Estimate | None = None,
        generator: torch.Generator | None = None,
        **options: Any,
    ) -> Estimate:
        """log p(x), (B,) in nats: f(x) + log p0(x) - log Z, exact but for log Z.

        Args:
            x: (B, ...) examples.
            context: of a conditioned model, which needs `log_z`.
            log_z: where it is known already; else it is estimated, twice, and checked.
            generator: of these estimates.
            options: those of a model with a code; there is nothing to integrate over.
        """
        x, context = self.arguments(x, context)
        if log_z is None and self.prior.context_dim:
            raise UsageError("A conditioned prior has one log Z for each context: pass log_z.")
        norm = checked_log_z(self.prior, generator=generator)[0] if log_z is None else log_z
        value = self.prior.log_prob(_whole(x).flatten(1), None, context).double() - float(norm)
        error = torch.full_like(value, float(norm.standard_error))
        return Estimate(value, error, None, norm.method, norm.n_samples)

    @entry
    @torch.no_grad()
    def score(
        self, x: Any, *, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Score:
        """The anomaly score -log p(x), up to log Z, with its parts; higher is more unusual."""
        x, context = self.arguments(x, context)
        z = _whole(x).flatten(1)
        tilt = -self.prior.log_tilt(z, None, context)
        reference = -self.prior.reference.log_prob(z)
        return Score(tilt + reference, torch.zeros_like(tilt), tilt, reference)


def _whole(x: Tensor) -> Tensor:
    """x; UsageError where it has missing values."""
    if bool(x.isnan().any()):
        raise UsageError("x has missing values (NaN): fill them in with complete() first.")
    return x
