"""A dynamic generator of clips: a state that moves on at each frame, and noise that moves it.

Source: Xie, Gao, Zheng, Zhu and Wu, AAAI 2019, arXiv 1812.10587.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lebm_cooperative.networks.growing import GaussianNoise
from lebm_core import Decoder
from lebm_core.base.checks import fits, positive, whole, widths
from lebm_core.base.networks import mlp
from lebm_core.base.randomness import standard_normal
from lebm_core.errors import UsageError

__all__ = ["DynamicClip", "DynamicDecoder"]

LEAST_SIGMA = 1e-3  # of a learned sigma: the density of what is matched exactly has no bound


class DynamicClip(GaussianNoise):
    """p(x | z) of a clip (B, C, T, ...), which `sample` can carry on.

    Args:
        decoder: moves the state on.
        mean: (B, C, T, ...).
        last: (B, S) the state of the last frame.
    """

    def __init__(self, decoder: DynamicDecoder, mean: Tensor, last: Tensor) -> None:
        super().__init__(mean, decoder.sigma())
        self.decoder, self.last = decoder, last

    def sample(
        self,
        sample_shape: Any = (),
        *,
        generator: torch.Generator | None = None,
        noise: bool = True,
        frames: int = 0,
    ) -> Tensor:
        """Draw a clip, or return its mean with noise=False.

        Args:
            sample_shape: not used.
            generator: source of all randomness.
            noise: add the noise of x given z.
            frames: of the clip, 0 for as many as z has; those beyond it are moved by draws of
                N(0, I), whatever the prior.
        """
        mean, before = self.mean, self.mean.shape[2]
        more = max(0, whole("frames", frames) - before)
        fits(float(more) * mean[:, :, 0].numel(), f"frames = {frames:,}")
        if more:
            shape = (len(mean), more, self.decoder.noise)
            states = self.decoder.moved(self.last, standard_normal(shape, self.last, generator))
            mean = torch.cat([mean, self.decoder.frames_of(states)], 2)
        return self.drawn(mean[:, :, : frames or before], generator, noise)


class DynamicDecoder(Decoder):
    """p(x | z) of clips: s_t = h(s_{t-1} + F(s_{t-1}, xi_t)), x_t = g(s_t) + sigma eps.

    z is the first state and the noise of all frames, (s_0, xi_1, ..., xi_T), so chains on z learn
    by back-propagation through time. F and g are perceptrons; h is tanh, or the identity.

    Args:
        latent_dim: d; what `state` leaves is shared out among the frames: d = state + T noise.
        shape: (C, T, ...) of one clip; the data set gives it.
        state: numbers of a state.
        transition: widths of the hidden layers of F; none for a linear map.
        frame: widths of the hidden layers of g; none for a linear map.
        bounded: let h be tanh, which keeps long clips from growing; else the identity. With that
            and both maps linear this is a linear state space, whose p(x) is a Gaussian.
        sigma: standard deviation of each number of x, in its units.
        learn_sigma: learn it, one for all numbers.

    Raises:
        UsageError: for sizes that do not fit each other.
    """

    def __init__(
        self,
        latent_dim: int,
        shape: Sequence[int],
        state: int = 32,
        transition: Sequence[int] = (64,),
        frame: Sequence[int] = (200,),
        bounded: bool = True,
        sigma: float = 0.2,
        learn_sigma: bool = False,
    ) -> None:
        super().__init__()
        widths("decoder.transition", transition)
        widths("decoder.frame", frame)
        positive("decoder.sigma", sigma)
        whole("decoder.state", state, 1, 1_000_000)
        self.shape = tuple(whole("decoder.shape", n, 1) for n in shape)
        if len(self.shape) < 2:
            raise UsageError(
                f"decoder.shape = {list(self.shape)} has no frames: dynamic is a decoder of clips "
                "(C, T, ...)."
            )
        frames = self.shape[1]
        if latent_dim < state or (latent_dim - state) % frames:
            fitting = state + frames * max(1, round((latent_dim - state) / frames))
            raise UsageError(
                f"prior.latent_dim = {latent_dim} is not decoder.state = {state} and as many "
                f"numbers for each of {frames} frames; use {fitting}."
            )
        self.latent_dim, self.state, self.bounded = latent_dim, state, bounded
        self.noise = (latent_dim - state) // frames
        self.still = (self.shape[0], *self.shape[2:])  # of one frame
        self.transition = mlp([state + self.noise, *transition, state], nn.SiLU)
        self.frame = mlp([state, *frame, math.prod(self.still)], nn.SiLU)
        self.log_sigma = nn.Parameter(torch.tensor(math.log(sigma)), requires_grad=learn_sigma)

    def sigma(self) -> Tensor:
        """The standard deviation of x given z."""
        return self.log_sigma.exp().clamp(min=LEAST_SIGMA)

    def moved(self, s: Tensor, noise: Tensor) -> Tensor:
        """The states after s (B, S), one for each noise (B, T, N): (B, T, S)."""
        first, *rest = self.transition
        # The part of the first layer that sees the noise needs no state: all frames at once.
        of_state, of_noise = first.weight.split([self.state, self.noise], 1)  # type: ignore[operator]
        pushed = noise @ of_noise.T + first.bias
        states = []
        for each in pushed.unbind(1):
            h = each + s @ of_state.T
            for layer in rest:
                h = layer(h)
            s = (s + h).tanh() if self.bounded else s + h
            states.append(s)
        return torch.stack(states, 1)

    def frames_of(self, states: Tensor) -> Tensor:
        """The mean of x given the states (B, T, S): (B, C, T, ...)."""
        x: Tensor = self.frame(states)
        frames: Tensor = x.unflatten(2, self.still).transpose(1, 2)
        return frames

    def forward(self, z: Tensor, context: Tensor | None = None) -> DynamicClip:
        first, rest = z.split([self.state, self.latent_dim - self.state], 1)
        states = self.moved(first, rest.view(len(z), self.shape[1], self.noise))
        return DynamicClip(self, self.frames_of(states), states[:, -1])
