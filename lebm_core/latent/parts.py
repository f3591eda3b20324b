"""LatentModel: the parts of p(x, z) = p(z) p(x | z), and what rules and evidence see of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_core.base.modules import device_of, frozen
from lebm_core.base.randomness import draw
from lebm_core.data.dataset import Batch
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

    Raises:
        UsageError: where the parts do not fit each other.
    """

    heads: nn.ModuleDict

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
        self.prior, self.decoder, self.encoder = prior, decoder, encoder
        default: Inference = Amortized() if encoder is not None else ShortRun()
        self.inference = default if inference is None else inference
        if self.inference.needs_encoder and encoder is None and prior.latent_dim:
            raise UsageError(
                f"{type(self.inference).__name__} (inference.name) needs an encoder: set "
                'encoder.name, or inference.name = "short-run".'
            )
        self.classes: Sequence[str] = ()
        self.heads = nn.ModuleDict()

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
        parts = {"prior": self.prior, "decoder": self.decoder, "encoder": self.encoder}
        return {name: part for name, part in parts.items() if part is not None}

    def need_encoder(self, who: str) -> Encoder:
        """The encoder; UsageError naming `who` needs it where there is none."""
        if self.encoder is None:
            raise UsageError(f"{who} needs an encoder: give the model one (recipe: encoder.name).")
        return self.encoder

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
        with frozen(self.decoder, evaluating=True):
            return draw(self.decoder(z, context), generator, **decoding)

    @torch.no_grad()
    def decode_mode(self, z: Tensor, context: Tensor | None = None) -> Any:
        """The mean of p(x | z), or its mode (greedy decoding) where there is no mean."""
        with frozen(self.decoder, evaluating=True):
            return centre_of(self.decoder(z, context))

    def posterior(
        self,
        x: Any,
        *,
        inference: Inference | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z ~ p(z | x), (B, d)."""
        method = self.inference if inference is None else inference
        return method(self, Batch(x, context=context), generator=generator)

    def code(
        self, x: Any, context: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """One representative z for each x: the encoder's mean if it infers alone, else a draw."""
        point = self.inference.point()
        return self.posterior(x, inference=point, context=context, generator=generator)
