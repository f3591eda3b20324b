"""A model that follows its molecules: proposals beyond them, and learning from the best."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lebm_core.base.modules import frozen
from lebm_core.chains.densities import LogDensity, Total
from lebm_core.chains.samplers import MALA
from lebm_core.control.base import Term
from lebm_core.control.heads import PropertyHead
from lebm_core.control.targets import Weighted
from lebm_core.data.dataset import Batch
from lebm_core.errors import DivergenceError, UsageError
from lebm_core.learning.properties import LEAST, fit_property
from lebm_core.learning.rules import Rule
from lebm_core.learning.two_part import TwoPart
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.registry.parts import Part, make
from lebm_core.run.training.optimizers import part_optimizers
from lebm_core.run.training.options import PartOptions, TrainingOptions
from lebm_core.sequences.dataset import TokenDataset, pad
from lebm_core.sequences.tokens import EOS
from lebm_molecules.design.options import DesignOptions

__all__ = ["Scored", "Shift"]

RULE = Part("learning_rules", "two-part")
AT_ONCE = 500  # molecules encoded or decoded at once
DRAWS = 2  # codes of a molecule that the head is fitted to
CLIP = 5.0  # largest gradient norm of each part, where the training had no limit


class Scored(NamedTuple):
    """A molecule with the value of the oracle.

    Attributes:
        smiles: canonical.
        value: by the oracle.
        written: the string that the model wrote, or was given, and learns from.
        similarity: to the molecule it started from; NaN where that does not matter.
        start: the number of that molecule.
    """

    smiles: str
    value: float
    written: str
    similarity: float = float("nan")
    start: int = 0


class Shift:
    """A copy of a model, with its learning rule and optimisers.

    Attributes:
        longest: tokens of a molecule that are allowed now.

    Args:
        model: of molecules, with a z; it stays as it is.
        data: its data set, for the tokens.
        name: of the property; the head of that name is used where the model has one.
        options: of the design.
        learning: the rule by which the model learned, or its table.
        training: its learning rates are replaced by `options.lr`.
        generator: source of all randomness.
    """

    def __init__(
        self,
        model: LatentEBM,
        data: TokenDataset,
        name: str,
        options: DesignOptions,
        learning: Rule | Mapping[str, Any] | None,
        training: TrainingOptions,
        generator: torch.Generator | None,
    ) -> None:
        self.model, self.data, self.name = copy.deepcopy(model).eval(), data, name
        self.options, self.generator = options, generator
        self.longest = options.limit(0)
        self.rule: Rule = make(RULE, learning)
        if isinstance(self.rule, TwoPart):
            self.rule.monitor = False
        given = {name: training.of(name) for name in self.model.parts()}
        parts = {
            name: PartOptions(options.lr, part.clip or CLIP, part.weight_decay)
            for name, part in given.items()
        }
        self.parts = part_optimizers(self.model, replace(training, lr=options.lr, parts=parts))

    @property
    def head(self) -> PropertyHead | None:
        """The head that predicts the property from a code; None as long as there is none."""
        return self.model.heads.known.get(self.name)

    def propose(self, parents: Sequence[Scored]) -> list[str]:
        """Return a string for each molecule, decoded from a code that is aimed beyond it.

        Codes are drawn from the posterior of the molecules and moved by a chain on the prior and
        the property, log p(z) + strength log N(value + delta; mean(z), sigma^2). The strings are
        not checked.
        """
        strings: list[str] = []
        for first in range(0, len(parents), AT_ONCE):
            some = parents[first : first + AT_ONCE]
            if self.options.random:
                z = self.model.prior.sample(len(some), generator=self.generator)
            else:
                z = self._move(self.codes([m.written for m in some]), [m.value for m in some])
            x = self.model.decode(z, generator=self.generator, max_length=self.longest)
            strings += self.data.strings(x)
        return strings

    def _move(self, z: Tensor, values: Sequence[float]) -> Tensor:
        options, prior = self.options, self.model.prior
        parts: list[LogDensity] = [prior.target(None, None)]
        if (head := self.head) is not None:
            aims = z.new_tensor(values) + options.delta * head.scale

            def energy(at: Tensor, context: Tensor | None) -> Tensor:
                return head.log_density(at, "target", aims)

            parts.append(Weighted(Term(self.name, options.strength, (), energy), options.strength))
        chain = MALA(options.steps, options.step_size)
        with frozen(prior):
            return chain(Total(*parts, label="design chain"), z, generator=self.generator)

    @torch.no_grad()
    def codes(self, molecules: Sequence[str]) -> Tensor:
        """Draw z ~ p(z | x) of each molecule, (n, d)."""
        parts = [
            self.model.posterior(self.tokens(molecules[i : i + AT_ONCE]), generator=self.generator)
            for i in range(0, len(molecules), AT_ONCE)
        ]
        return torch.cat(parts)

    def tokens(self, molecules: Sequence[str]) -> Tensor:
        """Return their ids with the end, (n, T), padded."""
        rows = [torch.tensor([*self.data.tokenizer.encode(s), EOS]) for s in molecules]
        return pad(rows).to(self.model.device)

    def writes(self, smiles: str) -> bool:
        """Return whether the model can write this string, in no more tokens than are allowed."""
        try:
            return len(self.data.tokenizer.encode(smiles)) <= self.longest
        except UsageError:  # a symbol that no training molecule has
            return False

    def learn(self, kept: Sequence[Scored], others: Sequence[Scored]) -> None:
        """Teach the model the kept molecules, and the head all of them.

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
        outcome = self.rule(self.model, Batch(x), progress=1.0, generator=self.generator)
        total = torch.stack(list(outcome.losses.values())).sum()
        if not bool(total.isfinite()):
            raise DivergenceError(f"The design's model diverged: lower lr = {self.options.lr}.")
        for part in self.parts.values():
            part.optimizer.zero_grad(set_to_none=True)
        total.backward()
        for part in self.parts.values():
            part.step(part.norm(), 1.0)

    @torch.no_grad()
    def fit(self, molecules: Sequence[Scored], steps: int = 500) -> None:
        """Refit the head where there are enough molecules; else it stays as it is."""
        values = torch.tensor([m.value for m in molecules])
        if len(values) < LEAST or len(np.unique(values.numpy())) < LEAST // 2:
            return
        strings = [m.written for m in molecules]
        z = torch.stack([self.codes(strings) for _ in range(DRAWS)], 1)
        fit_property(self.model, self.name, z, values, steps=steps, generator=self.generator)
