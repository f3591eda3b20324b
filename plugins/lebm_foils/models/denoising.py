"""DenoisingAutoencoder: a chain that corrupts x and draws it again, with no density of its own.

Sources: Bengio et al., "Generalized denoising auto-encoders as generative models", NeurIPS 2013,
arXiv 1305.6663 (the chain, walkback); Alain and Bengio, ICLR 2013, arXiv 1211.4246.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from lebm_core.base.arguments import entry, floats, keeps
from lebm_core.base.checks import at_least, choice, fits, positive, whole, within
from lebm_core.base.modules import frozen
from lebm_core.base.randomness import draw, normal_like, standard_normal, uniform
from lebm_core.control.base import Control
from lebm_core.control.sampling import Classes
from lebm_core.data.dataset import Dataset
from lebm_core.errors import UnsupportedEstimate, UsageError
from lebm_core.evidence.estimate import Estimate
from lebm_core.evidence.score import Score
from lebm_core.latent.amortized import Amortized
from lebm_core.latent.decoder import Decoder, centre_of
from lebm_core.latent.encoder import Encoder
from lebm_core.models.hub import PARTS
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.priors.base import Prior
from lebm_core.priors.gaussian import GaussianPrior

__all__ = ["DenoisingAutoencoder"]

NO_DENSITY = (
    "A denoising autoencoder has no density that can be computed: its distribution is where its "
    "chain settles."
)


class DenoisingAutoencoder(LatentEBM):
    """The model family "denoising-autoencoder": x is corrupted, and drawn from p(x | z) again.

    z is the mean of q(z | x) of the corrupted x. Where p(x | z) is the distribution of x given its
    corruption, the chain settles at the distribution of the data. The rule "joint.walkback" teaches
    it; without noise it is an autoencoder.

    Args:
        prior: "gaussian": its latent_dim is that of z, and no code is drawn from it.
        decoder: p(x | z), of real numbers.
        encoder: q(z | x), of which the mean is used.
        corruption: "gaussian" adds noise, "salt-and-pepper" sets numbers to -1 or 1.
        noise: standard deviation of the noise, in the units of x; or share of the numbers that are
            set. 0: nothing is corrupted.
        chain_steps: of the chain that draws samples.
        start_std: standard deviation of the normal draws that it starts at.
        limit: the chain's numbers stay within [-limit, limit], 1 for pixels: networks continue
            linearly where there were no data, and chains from afar may run away. 0: no bound.

    Raises:
        UsageError: for parts or options that are not possible.
    """

    def __init__(
        self,
        prior: Annotated[Prior, PARTS["prior"]],
        decoder: Annotated[Decoder, PARTS["decoder"]],
        encoder: Annotated[Encoder | None, PARTS["encoder"]] = None,
        corruption: Literal["gaussian", "salt-and-pepper"] = "gaussian",
        noise: float = 0.5,
        chain_steps: int = 100,
        start_std: float = 1.0,
        limit: float = 0.0,
    ) -> None:
        if not isinstance(prior, GaussianPrior) or encoder is None or not prior.latent_dim:
            raise UsageError(
                "The model denoising-autoencoder needs an encoder (encoder.name), and prior.name = "
                '"gaussian" with a latent_dim from 1 on, whose draws it does not use.'
            )
        super().__init__(prior, decoder, encoder, Amortized(mean=True))
        choice("model.corruption", corruption, ("gaussian", "salt-and-pepper"))
        at_least("model.noise", noise, 0)
        if corruption == "salt-and-pepper":
            within("model.noise", noise, 0, 1)
        whole("model.chain_steps", chain_steps, 1)
        positive("model.start_std", start_std)
        self.corruption, self.noise = corruption, noise
        at_least("model.limit", limit, 0)
        self.chain_steps, self.start_std, self.limit = chain_steps, start_std, limit
        self.shape = decoder.event_shape()
        if not self.shape:
            raise UsageError("The model denoising-autoencoder needs a decoder of real numbers.")

    @classmethod
    def made(
        cls, tables: Mapping[str, Any], dataset: Dataset, sizes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The parts of a recipe by name; a code is inferred by the encoder alone."""
        parts = super().made({**tables, "inference": None}, dataset, sizes)
        return {name: part for name, part in parts.items() if name != "inference"}

    def corrupt(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of C(. | x) for each x (B, ...)."""
        if self.corruption == "gaussian":
            return x + self.noise * normal_like(x, generator)
        chosen = uniform(x.shape, x, generator) < self.noise
        extreme = 2.0 * (uniform(x.shape, x, generator) < 0.5) - 1
        return torch.where(chosen, extreme.to(x.dtype), x)

    def bounded(self, x: Tensor) -> Tensor:
        """x within the limit of the chain."""
        return x.clamp(-self.limit, self.limit) if self.limit else x

    def denoised(self, x: Tensor) -> Any:
        """p(x | z) of corrupted x (B, ...), with gradients for both networks."""
        encoder = self.need_encoder("A denoising autoencoder")
        return self.decoder(encoder(x).mean)

    @entry
    @torch.no_grad()
    def chain(
        self,
        x: Tensor,
        steps: int = 0,
        *,
        known: Tensor | None = None,
        noise: bool = True,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The chain from x (B, ...): corrupted, and drawn again, at every step.

        Args:
            x: where it starts.
            steps: how many; 0 for the model's own.
            known: (B, ...) where x stays as it is.
            noise: at the end, a draw of p(x | z); else its mean.
            generator: source of all randomness.
        """
        x = floats("x", x, self.shape, self)
        steps = whole("steps", steps) or self.chain_steps
        with frozen(self, evaluating=True):
            for step in range(steps):
                p = self.denoised(self.corrupt(x, generator))
                last = step == steps - 1
                drawn = self.bounded(draw(p, generator) if noise or not last else centre_of(p))
                x = drawn if known is None else torch.where(known, x, drawn)
        return x

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
        noise: bool = True,
        **decoding: Any,
    ) -> Tensor:
        """n draws of x, each the end of a chain that starts at normal draws.

        Args:
            n: how many.
            y: None: there are no classes.
            control: none.
            context: None.
            generator: source of all randomness.
            batch_size: chains run at once.
            noise: at the end, a draw of p(x | z); else its mean.
            decoding: nothing else.

        Raises:
            UsageError: for a class, a control, or an option that there is not.
        """
        self.prior.refuse_classes(y)
        if decoding or control:
            name = next(iter(decoding), "control")
            raise UsageError(f"A denoising autoencoder draws by its chain: leave {name} out.")
        n, batch_size = whole("n", n, 1, 2**62), whole("batch_size", batch_size, 1)
        fits(float(n) * math.prod(self.shape), f"n = {n:,} samples")
        like = next(self.parameters())
        parts = []
        for first in range(0, n, batch_size):
            size = (min(batch_size, n - first), *self.shape)
            start = self.start_std * standard_normal(size, like, generator)
            parts.append(self.chain(start, noise=noise, generator=generator))
        return torch.cat(parts)

    @entry
    @torch.no_grad()
    def complete(
        self,
        x: Tensor,
        mask: Tensor,
        *,
        context: Tensor | None = None,
        steps: int = 0,
        step_size: float = 0.1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Fill in x where `mask` is False or x NaN, by the chain with the others held.

        Args:
            x: (B, ...) examples.
            mask: where x is known.
            context: None.
            steps: of the chain; 0 for the model's own.
            step_size: not used: the corruption is the model's.
            generator: source of all randomness.
        """
        x, _ = self.arguments(x, context)
        known = keeps("mask", mask, x) & ~x.isnan()
        start = torch.where(known, x, self.start_std * normal_like(x, generator))
        return self.chain(start, steps, known=known, noise=False, generator=generator)

    def log_prob(self, x: Any, **options: Any) -> Estimate:
        """Refused by an UnsupportedEstimate: there is no density."""
        raise UnsupportedEstimate(NO_DENSITY)

    def score(self, x: Any, **options: Any) -> Score:
        """Refused by an UnsupportedEstimate: there is no density."""
        raise UnsupportedEstimate(NO_DENSITY)
