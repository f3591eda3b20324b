"""A model that follows its molecules: proposals a step beyond them, and learning from the best."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.densities import Total
from lebm_core.chains.langevin import langevin
from lebm_core.control.controls import Term
from lebm_core.control.heads import PropertyHead
from lebm_core.control.targets import Weighted
from lebm_core.data.dataset import Batch
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.options import LearningOptions
from lebm_core.learning.property_fit import LEAST, fit_property
from lebm_core.learning.two_part import Learning
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.optimizers import part_optimizers
from lebm_core.run.training.options import TrainingOptions
from lebm_core.sequences.dataset import TokenDataset, pad
from lebm_core.sequences.tokens import EOS

__all__ = ["DesignOptions", "Scored", "Shift"]

AT_ONCE = 500  # molecules encoded or decoded at once
DRAWS = 2  # codes of a molecule that the head learns from
GROWING = 0.8  # share of the rounds in which a limit of length rises
CLIP = 5.0  # largest gradient norm of each part, where the training had no limit


@dataclass(frozen=True)
class DesignOptions:
    """How a design goes on.

    Attributes:
        rounds: at most.
        population: N, the molecules that are kept, and those proposed in a round.
        calls: of the oracle, at most; 0 for no limit. The molecules to start from count.
        delta: how far beyond its own value a molecule is aimed, in standard deviations of the
            values that the property head has learned from.
        steps, step_size: of the Langevin chain in each round; its steps are Metropolis-adjusted.
        strength: lambda of the property in that chain.
        passes: over the kept molecules, in which the model learns after a round; 0: it never
            does, nor does the head.
        lr: learning rate of decoder, encoder and prior.
        batch_size: molecules of an update.
        longest: tokens of a molecule, as it is decoded: where it has not ended, it is cut there.
        grow_from: tokens allowed at the start; the limit rises to `longest` over the first four
            fifths of the rounds, slowly at first (as a square). 0: it is `longest` throughout.
            A value that grows with size is then won by what is worth most for each token, not by
            what grows fastest.
        at_least: Tanimoto similarity to the start, where there is one to be similar to.
        random: codes are draws of the model's prior, and nothing learns: random search.
    """

    rounds: int = 30
    population: int = 1000
    calls: int = 0
    delta: float = 0.5
    steps: int = 10
    step_size: float = 0.2
    strength: float = 1.0
    passes: int = 1
    lr: float = 1e-3
    batch_size: int = 128
    longest: int = 72
    grow_from: int = 0
    at_least: float = 0.4
    random: bool = False

    def __post_init__(self) -> None:
        least: dict[str, float] = {
            "rounds": 0, "population": 1, "calls": 0, "steps": 0, "step_size": 0, "strength": 0,
            "passes": 0, "lr": 0, "batch_size": 1, "longest": 1, "at_least": 0,
            "grow_from": 0,
        }  # fmt: skip
        for name, low in least.items():
            if not getattr(self, name) >= low:
                raise UsageError(f"{name} = {getattr(self, name)} must be at least {low:g}.")
        if self.at_least > 1:
            raise UsageError(f"at_least = {self.at_least} is above 1: no molecule is so similar.")
        if self.grow_from > self.longest:
            raise UsageError(f"grow_from = {self.grow_from} is above longest = {self.longest}.")

    def limit(self, number: int) -> int:
        """The tokens that are allowed in a round."""
        if not self.grow_from or number >= GROWING * self.rounds:
            return self.longest
        share = (number / (GROWING * self.rounds)) ** 2
        return self.grow_from + round(share * (self.longest - self.grow_from))


class Scored(NamedTuple):
    """A molecule that the oracle has judged.

    Attributes:
        smiles: canonical.
        value: what the oracle said.
        written: the string that the model made, or was given: it learns from that one.
        similarity: to the molecule it started from; NaN where that does not matter.
        start: the number of that molecule.
    """

    smiles: str
    value: float
    written: str
    similarity: float = float("nan")
    start: int = 0


class Shift:
    """A copy of a model and what it learns with.

    Attributes:
        longest: tokens of a molecule that are allowed now.

    Args:
        model: of molecules, with a z; it stays as it is.
        data: knows its tokens.
        name: of the property; its head is used where the model has one.
        options: how.
        learning: the rule by which the model learned.
        training: its learning rates are replaced by `options.lr`.
        generator: source of all randomness.
    """

    def __init__(
        self,
        model: LatentEBM,
        data: TokenDataset,
        name: str,
        options: DesignOptions,
        learning: LearningOptions,
        training: TrainingOptions,
        generator: torch.Generator | None,
    ) -> None:
        self.model, self.data, self.name = copy.deepcopy(model).eval(), data, name
        self.options, self.generator = options, generator
        self.longest = options.limit(0)
        self.learning = Learning(learning, monitor=False)
        own = replace(
            training, lr_prior=options.lr, lr_decoder=options.lr, lr_encoder=options.lr,
            clip_prior=training.clip_prior or CLIP, clip_decoder=training.clip_decoder or CLIP,
            clip_encoder=training.clip_encoder or CLIP,
        )  # fmt: skip
        self.parts = part_optimizers(self.model, own)

    @property
    def head(self) -> PropertyHead | None:
        """What predicts the property from a code; None as long as there is none."""
        return self.model.heads.known.get(self.name)

    def propose(self, parents: Sequence[Scored]) -> list[str]:
        """A string for each molecule, decoded from a code that is aimed beyond it.

        Codes are drawn from the posterior of the molecules and moved by a chain on the prior and
        the property, log p(z) + strength log N(value + delta; mean(z), sigma^2). Nothing is
        checked of what comes out.
        """
        found: list[str] = []
        for first in range(0, len(parents), AT_ONCE):
            some = parents[first : first + AT_ONCE]
            if self.options.random:
                z = self.model.prior.sample(len(some), generator=self.generator)
            else:
                z = self._move(self.codes([m.written for m in some]), [m.value for m in some])
            x = self.model.decode(z, generator=self.generator, max_length=self.longest)
            found += self.data.sentences(x)
        return found

    def _move(self, z: Tensor, values: Sequence[float]) -> Tensor:
        options, prior = self.options, self.model.prior
        parts = [prior.target(None, None)]
        if (head := self.head) is not None:
            aims = z.new_tensor(values) + options.delta * head.scale

            def energy(at: Tensor, context: Tensor | None) -> Tensor:
                return head.log_density(at, "target", aims)

            parts.append(Weighted(Term(self.name, options.strength, (), energy), options.strength))
        with frozen(prior):
            return langevin(
                Total(*parts), z, steps=options.steps, step_size=options.step_size, adjust=True,
                generator=self.generator, fold=prior.fold, name="design chain",
            )  # fmt: skip

    @torch.no_grad()
    def codes(self, molecules: Sequence[str]) -> Tensor:
        """z ~ p(z | x) of each molecule, (n, d)."""
        parts = [
            self.model.posterior(self.tokens(molecules[i : i + AT_ONCE]), generator=self.generator)
            for i in range(0, len(molecules), AT_ONCE)
        ]
        return torch.cat(parts)

    def tokens(self, molecules: Sequence[str]) -> Tensor:
        """Their ids with the end, (n, T), padded."""
        rows = [torch.tensor([*self.data.tokenizer.encode(s), EOS]) for s in molecules]
        return pad(rows).to(self.model.device)

    def writes(self, smiles: str) -> bool:
        """Whether the model can write this string, in no more tokens than are allowed."""
        try:
            return len(self.data.tokenizer.encode(smiles)) <= self.longest
        except UsageError:  # a symbol that no training molecule has
            return False

    def learn(self, kept: Sequence[Scored], others: Sequence[Scored]) -> None:
        """The model learns from the molecules that are kept, the head from all of them.

        Raises:
            DivergenceError: where a loss is not finite.
        """
        self.model.train()
        home = getattr(self.generator, "device", "cpu")  # a generator draws on its own device
        for _ in range(self.options.passes):
            order = torch.randperm(len(kept), generator=self.generator, device=home).tolist()
            for first in range(0, len(order), self.options.batch_size):
                rows = order[first : first + self.options.batch_size]
                self._update(self.tokens([kept[i].written for i in rows]))
        self.model.eval()
        self.fit([*kept, *others])

    def _update(self, x: Tensor) -> None:
        found = self.learning(self.model, Batch(x), progress=1.0, generator=self.generator)
        total = torch.stack(list(found.losses.values())).sum()
        if not bool(total.isfinite()):
            raise DivergenceError(f"The design's model diverged: lower lr = {self.options.lr}.")
        for part in self.parts.values():
            part.optimizer.zero_grad(set_to_none=True)
        total.backward()
        for part in self.parts.values():
            part.step(part.norm(), 1.0)

    @torch.no_grad()
    def fit(self, molecules: Sequence[Scored], steps: int = 500) -> None:
        """The head learns anew, where there is enough to learn from; else it stays as it is."""
        values = torch.tensor([m.value for m in molecules])
        if len(values) < LEAST or len(np.unique(values.numpy())) < LEAST // 2:
            return
        strings = [m.written for m in molecules]
        z = torch.stack([self.codes(strings) for _ in range(DRAWS)], 1)
        fit_property(self.model, self.name, z, values, steps=steps, generator=self.generator)
