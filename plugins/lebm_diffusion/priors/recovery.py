"""A prior of energies at levels of noise, drawn level by level.

Sources: Gao et al., "Learning energy-based models by diffusion recovery likelihood", ICLR 2021,
arXiv 2012.08125; of latent codes: Yu et al., "Latent diffusion energy-based model for
interpretable text modeling", ICML 2022, arXiv 2206.05895.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lebm_core import EBMPrior, Sampler
from lebm_core.base.checks import choice, whole, within
from lebm_core.base.randomness import normal_like
from lebm_core.chains.trace import Chain
from lebm_core.priors.ebm import ENERGY
from lebm_core.priors.energy import Energy
from lebm_core.priors.tilt_target import LogSumExp
from lebm_core.registry.parts import Part, make
from lebm_diffusion.priors.levels import (
    KnownLevel,
    LevelTarget,
    downhill,
    noise_levels,
    without_noise,
)

__all__ = ["DiffusionPrior"]

SAMPLER = Part("samplers", "mala", {"steps": 10, "step_size": 0.8})
MOST_LEVELS = 1000
STARTS = ("noise", "slope")
REPEATS = 4  # of each level where some coordinates are known


class DiffusionPrior(EBMPrior):
    """p_t(z_t) proportional to exp(f(z_t, t)) N(z_t; 0, I) at T levels of noise, t = 0 the codes.

    z_t given z_{t+1} is a tilt of N(a z_{t+1}, sigma^2 I), narrow where the noise is little, so
    that short chains mix where one chain on p_0 would not. A draw passes all levels from pure
    noise. f(z, 0) is the tilt of the prior as any other, known up to its constant. The rule
    "prior.recovery-likelihood" learns it.

    Args:
        latent_dim: dimension d of z.
        energy: the network f, an `Energy` that sees the level beside z, or its table.
        sampler: of the chain of each level, its step size in units of the level's noise.
        bound: C of the bounded tilt f = C tanh(f/C), in nats; 0 or none leaves f unbounded.
        levels: T.
        context_dim: features of a context that f sees beside z; 0 for none.
        start: where the chain of a level starts: noise, a draw of N(0, I) in its units; or slope,
            the same moved along the slope of f by one step of Heun's method, which is a step of
            the reverse diffusion. With many levels, the first of which adds less noise than the
            codes have, that is nearly the answer, and a few steps do; with few it runs away.
        noise: standard deviation of the noise that level 0 has, "sigma" of the rule
            "prior.level-score-matching": the end of a draw is the mean of z without it; 0 keeps it.

    Raises:
        UsageError: for sizes or a start that are not possible.
    """

    def __init__(
        self,
        latent_dim: int = 32,
        energy: Annotated[Energy | Mapping[str, Any] | str | None, ENERGY] = None,
        sampler: Annotated[Sampler | Mapping[str, Any] | str | None, SAMPLER] = None,
        bound: float | None = 0.0,
        levels: int = 6,
        context_dim: int = 0,
        start: Literal["noise", "slope"] = "noise",
        noise: float = 0.0,
        _outputs: int = 1,
    ) -> None:
        whole("prior.levels", levels, 1, MOST_LEVELS)
        within("prior.noise", noise, 0, 1)
        choice("prior.start", start, STARTS)
        super().__init__(
            latent_dim, energy, make(SAMPLER, sampler), bound=bound, context_dim=context_dim,
            _outputs=_outputs, _inputs=levels,
        )  # fmt: skip
        self.n_levels, self.start, self.noise = levels, start, noise
        kept, step = noise_levels(levels)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("step", step, persistent=False)

    kept: Tensor  # of z_0 at each level, (T + 1,)
    step: Tensor  # of z_t at level t + 1, (T,)

    def given(self, context: Tensor | None) -> Tensor:
        return self.seen(torch.zeros(1, dtype=torch.long, device=self.kept.device), context)

    def seen(self, level: Tensor, context: Tensor | None) -> Tensor:
        """What f sees beside z: the level, (B,) or (1,), as an indicator, and the context."""
        level = one_hot(level, self.n_levels).to(self.kept.dtype)
        if context is None:
            return level
        return torch.cat([level.expand(len(context), -1), context], -1)

    def level_logits(self, level: Tensor, z: Tensor, context: Tensor | None = None) -> Tensor:
        """F(z_t, t), (B, C), of z (B, d), each at its own level (B,)."""
        raw: Tensor = self.tilts[0](z, self.seen(level, context))
        return raw if self.bound is None else self.bound * torch.tanh(raw / self.bound)

    def noised(
        self, z: Tensor, level: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """z_t and z_{t+1}, (B, d) each, of codes z (B, d) at levels t (B,)."""
        kept, step = self.kept[level][:, None], self.step[level][:, None]
        now = kept * z + (1 - kept.square()).sqrt() * normal_like(z, generator)
        return now, step * now + (1 - step.square()).sqrt() * normal_like(z, generator)

    def denoise(
        self,
        z: Tensor,
        level: Tensor,
        *,
        sampler: Sampler,
        start: Tensor,
        y: Tensor | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        trace: Chain | None = None,
    ) -> Tensor:
        """z_t (B, d) given z_{t+1} (B, d), by a chain in the units of its noise.

        Args:
            z: z_{t+1}.
            level: t, (B,).
            sampler: of the chain.
            start: (B, d) draws of N(0, I).
            y: class ids (B,), or None.
            context: (B, c), or None.
            generator: source of all randomness.
            trace: filled in at every step when given.
        """
        step = self.step[level][:, None]
        target = LevelTarget(
            self.energies[0], self.seen(level, context), step * z, (1 - step.square()).sqrt(),
            self.bound, LogSumExp(y),
        )  # fmt: skip
        if self.start == "slope":
            start = downhill(target, start)
        u = sampler(target, start, generator=generator, trace=trace)
        if trace is not None:
            trace.states = {
                k: target.z(state.to(z.device)).cpu() for k, state in trace.states.items()
            }
        return target.z(u)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | int | None = None,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
        sampler: Sampler | None = None,
        trace: Chain | None = None,
        stages: int | None = None,
    ) -> Tensor:
        """n draws, (n, d), from noise through all levels; see `EBMPrior.sample`.

        Args:
            n: how many.
            y: class, for a prior with classes.
            context: (n, c), for a conditioned prior.
            generator: source of randomness.
            start: (n, d) in place of the noise that the first chain starts from.
            sampler: of each level, in place of the prior's own.
            trace: filled in at every step of every level when given.
            stages: 0 for p0 alone.
        """
        self.check_context(context, n)
        chain: Sampler = self.sampler if sampler is None else sampler  # type: ignore[assignment]
        ids = self.classes(y, n)
        u = self.draw_reference(n, generator) if start is None else start
        if stages == 0:
            return u
        z, first = torch.zeros_like(u), 0
        for t in reversed(range(self.n_levels)):
            piece = None if trace is None else trace.piece(first)
            level = torch.full((n,), t, device=u.device)
            z = self.denoise(
                z, level, sampler=chain, start=u, y=ids, context=context, generator=generator,
                trace=piece,
            )  # fmt: skip
            if trace is not None and piece is not None:
                trace.add_level(piece, first)
                first += len(piece.log_prob)
            u = normal_like(u, generator)
        return self._without_noise(z, ids, context)

    def _without_noise(self, z: Tensor, y: Tensor | None, context: Tensor | None) -> Tensor:
        """The mean of z (B, d) without the noise of level 0, given y (B,) where it is known."""
        if not self.noise:
            return z
        seen, one = self.given(context).expand(len(z), -1), z.new_ones(len(z), 1)
        target = LevelTarget(self.energies[0], seen, z, one, self.bound, LogSumExp(y))
        return without_noise(target, self.noise)

    @torch.no_grad()
    def draw_unknown(
        self,
        z: Tensor,
        known: Tensor,
        *,
        context: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z (B, d) with its unknown coordinates drawn given the others, through all levels.

        At each level the known coordinates are held where noise puts them, and the chain moves
        the others (Song et al., ICLR 2021, arXiv 2011.13456, appendix I.2; Lugmayr et al., CVPR
        2022, arXiv 2201.09865). p(unknown | known) is met in the limit of many levels and steps.

        Args:
            z: what stands where `known` is False is not used.
            known: (B, d), of bool.
            context: (B, c), or None.
            generator: source of all randomness.
        """
        self.check_context(context, len(z))
        sampler: Sampler = self.sampler  # type: ignore[assignment]
        given = torch.where(known, z, 0.0)
        at = torch.zeros_like(given)
        for t in reversed(range(self.n_levels)):
            level = torch.full((1,), t, device=z.device)
            kept, step = self.kept[t], self.step[t]
            sigma = (1 - step.square()).sqrt().expand(len(z), 1)
            for repeat in range(REPEATS):
                if repeat:  # up to the level above and down again: the unknown meet the known
                    at = step * at + sigma * normal_like(at, generator)
                target = LevelTarget(
                    self.energies[0], self.seen(level, context).expand(len(z), -1), step * at,
                    sigma, self.bound, LogSumExp(None),
                )  # fmt: skip
                held = kept * given + (1 - kept.square()).sqrt() * normal_like(given, generator)
                fixed = KnownLevel(target, (held - target.mean) / sigma, known)
                start = fixed.held(normal_like(given, generator))
                if self.start == "slope":
                    start = downhill(fixed, start)
                at = target.z(fixed.held(sampler(fixed, start, generator=generator)))
        return torch.where(known, given, self._without_noise(at, None, context))
