"""LatentModel: the parts of p(x, z) = p(z) p(x | z), and what rules and evidence see of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.base.arguments import entry, floats
from lebm_core.base.modules import device_of, frozen
from lebm_core.base.randomness import draw
from lebm_core.base.table import Table
from lebm_core.data.dataset import Batch, Dataset, prepared
from lebm_core.errors import UsageError
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.chains import ShortRun
from lebm_core.latent.decoder import Decoder, centre_of
from lebm_core.latent.encoder import Encoder
from lebm_core.latent.inference import Inference
from lebm_core.priors.base import Prior

__all__ = ["LatentModel"]


class LatentModel(nn.Module):
    """A prior and a decoder, perhaps an encoder, and how z given x is drawn.

    Args:
        prior: p(z).
        decoder: p(x | z).
        encoder: q(z | x), or None.
        inference: how z given x is drawn; by default the encoder where there is one, else
            `ShortRun()`.

    Attributes:
        classes: names of the classes of a coupled prior, in the order of their ids; may be empty.
        heads: property heads by name.
        data: what the data of the training were prepared by, None where it is not known. With it
            the methods of the model take examples as a user has them: a file, a list, an array or
            a table; x as the parts take it is a tensor.
        observed: whether x is z, so that the prior alone is the model.

    Raises:
        UsageError: where the parts do not fit each other.
    """

    heads: nn.ModuleDict
    data: Dataset | None
    observed = False

    def __init__(
        self,
        prior: Prior,
        decoder: Decoder,
        encoder: Encoder | None = None,
        inference: Inference | None = None,
    ) -> None:
        super().__init__()
        for name, part in (("decoder", decoder), ("encoder", encoder)):
            if part is not None and part.latent_dim != prior.latent_dim:
                raise UsageError(
                    f"The {name} has {part.latent_dim} latent dimensions, the prior "
                    f"{prior.latent_dim}: they must be equal."
                )
        ours = getattr(encoder, "latent_layout", {})
        for key, size in getattr(decoder, "latent_layout", {}).items():
            if ours.get(key, size) != size:
                raise UsageError(
                    f"decoder.{key} = {size} and encoder.{key} = {ours[key]} give z "
                    "different layouts; use the same value."
                )
        self.prior, self.decoder, self.encoder = prior, decoder, encoder
        own = getattr(inference, "options", {}).get("latent_dim", prior.latent_dim)
        if own != prior.latent_dim:
            raise UsageError(
                f"The inference has latent_dim = {own}, the prior {prior.latent_dim}: they must be "
                "equal."
            )
        default: Inference = Amortized() if encoder is not None else ShortRun()
        self.inference = default if inference is None else inference
        if self.inference.needs_encoder and encoder is None and prior.latent_dim:
            raise UsageError(
                f"{type(self.inference).__name__} (inference.name) needs an encoder: set "
                'encoder.name, or inference.name = "short-run".'
            )
        self.classes: Sequence[str] = ()
        self.heads = nn.ModuleDict()
        self.data = None

    def _repr_html_(self) -> str:
        """The parts and their sizes as a table for a notebook."""
        there = {"prior": self.prior, "decoder": self.decoder, "encoder": self.encoder}
        parts = {name: part for name, part in there.items() if part is not None}
        numbers = [sum(p.numel() for p in part.parameters()) for part in parts.values()]
        columns: dict[str, list[Any]] = {
            f"{type(self).__name__}, d = {self.latent_dim}": list(parts),
            "kind": [type(part).__name__ for part in parts.values()],
            "parameters": [f"{n:,}" for n in numbers],
        }
        return Table(columns)._repr_html_()

    @property
    def latent_dim(self) -> int:
        """The dimension d of z."""
        return self.prior.latent_dim

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return device_of(self)

    def parts(self) -> dict[str, nn.Module]:
        """The parts that are trained, by the names of the recipe's tables."""
        parts: dict[str, Any] = {
            "prior": self.prior, "decoder": self.decoder, "encoder": self.encoder,
            "inference": self.inference,
        }  # fmt: skip
        return {name: part for name, part in parts.items() if isinstance(part, nn.Module)}

    def need_encoder(self, who: str) -> Encoder:
        """The encoder; UsageError naming `who` needs it where there is none."""
        if self.encoder is None:
            raise UsageError(f"{who} needs an encoder: give the model one (recipe: encoder.name).")
        return self.encoder

    def arguments(self, x: Any, context: Any = None) -> tuple[Any, Tensor | None]:
        """Examples and their context as the parts take them, from what a user gives.

        Args:
            x: tensors, arrays or lists of numbers, or another kind that the decoder takes; with
                `data`, what is no tensor is prepared as the training's examples were.
            context: numbers, a row for each example, for a conditioned model.

        Raises:
            UsageError: naming the argument, its shape and the one that is wanted.
        """
        if (
            self.data is not None
            and not isinstance(x, Tensor)
            and type(self.data).new != Dataset.new
        ):
            batch = prepared(self.data, x)
            x, context = batch.x, batch.context if context is None else context
        context = self.context_of(context)
        x = self.decoder.examples(x, context)
        try:
            n = len(x)
        except TypeError:
            raise UsageError(f"x is a {type(x).__name__}; give a batch of examples.") from None
        if not n:
            raise UsageError("x is an empty batch; give at least one example.")
        return x, self.context_of(context, n)

    def context_of(self, context: Any, rows: int | None = None) -> Tensor | None:
        """A context (rows, c) as the parts take it, or None.

        Raises:
            UsageError: where it is missing, of another shape, or there is no need of it.
        """
        width = self.prior.context_dim or self.decoder.context_dim
        if context is not None:
            context = floats("context", context, (width or None,), self, rows=rows)
        elif width:
            raise UsageError(
                f"This model is conditioned on a context of {width} features: pass context=(B, "
                f"{width})."
            )
        self.prior.check_context(context)
        found: Tensor | None = context
        return found

    def _codes(self, z: Any, context: Any) -> tuple[Tensor, Tensor | None]:
        """z (B, d), and the context of each or of each B / k of them, as the decoder takes them."""
        z = floats("z", z, (self.latent_dim,), self)
        if context is not None:
            context = floats("context", context, (self.decoder.context_dim or None,), self)
            if not len(context) or len(z) % len(context):
                raise UsageError(
                    f"context has the shape {tuple(context.shape)}; use a row for each of the "
                    f"{len(z)} codes."
                )
        return z, context

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
        """A draw of p(x | z) for each z (B, d)."""
        z, context = self._codes(z, context)
        with frozen(self.decoder, evaluating=True):
            return draw(self.decoder(z, context), generator, **decoding)

    @entry
    @torch.no_grad()
    def decode_mode(self, z: Tensor, context: Tensor | None = None) -> Any:
        """The mean of p(x | z), or its mode (greedy decoding) where there is no mean."""
        z, context = self._codes(z, context)
        with frozen(self.decoder, evaluating=True):
            return centre_of(self.decoder(z, context))

    @entry
    def posterior(
        self,
        x: Any,
        *,
        inference: Inference | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z ~ p(z | x), (B, d)."""
        x, context = self.arguments(x, context)
        method = self.inference if inference is None else inference
        return method(self, Batch(x, context=context), generator=generator)

    def code(
        self, x: Any, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """One representative z for each x: the encoder's mean if it infers alone, else a draw."""
        point = self.inference.point()
        return self.posterior(x, inference=point, context=context, generator=generator)
