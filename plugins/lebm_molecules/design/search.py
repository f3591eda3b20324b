"""Design of molecules: a model shifts, round by round, towards high values of an oracle.

Source: sampling with gradual distribution shifting, Kong et al. 2023, arXiv 2306.14902. In each
round codes are moved a step further under prior and property, decoded and judged; the best of old
and new molecules are kept, and the model learns from them. Under a constraint of similarity
(Jin et al. 2018, arXiv 1802.04364) each molecule given has a population of its own, all of it
similar to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.errors import UsageError, shown
from lebm_core.learning.rules import Rule
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.options import TrainingOptions
from lebm_core.sequences.dataset import TokenDataset
from lebm_molecules.chemistry.rdkit import canonical_all
from lebm_molecules.design.options import DesignOptions
from lebm_molecules.design.oracle import Oracle, morgan, similarities
from lebm_molecules.design.record import Design, Round
from lebm_molecules.design.shifting import Scored, Shift

__all__ = ["design"]

DEFAULT = DesignOptions()


def design(
    model: LatentEBM,
    data: TokenDataset,
    oracle: Oracle | Callable[[str], float],
    start: Sequence[str] = (),
    *,
    name: str = "oracle",
    options: DesignOptions = DEFAULT,
    similar_to: Sequence[str] = (),
    learning: Rule | Mapping[str, Any] | None = None,
    training: TrainingOptions | None = None,
    generator: torch.Generator | None = None,
    each: Callable[[Design], None] | None = None,
) -> Design:
    """Search for molecules whose value is high.

    The oracle is asked once for each distinct molecule, by canonical SMILES, those to start from
    included; its values are kept, and looking them up is no call.

    Args:
        model: of molecules, with a z; a copy of it learns.
        data: its data set, for the tokens; the splits may be empty.
        oracle: canonical SMILES -> value to be maximised, NaN for no value. An `Oracle` may know
            some values already, and has its own limit of calls.
        start: SMILES to start from; not with `similar_to`.
        name: of the property; a head of that name is used to begin with, else one is fitted.
        options: of the design.
        similar_to: SMILES to improve on, each by molecules similar to it (Tanimoto similarity of
            Morgan fingerprints of radius 2 and 2,048 bits).
        learning: the rule by which the model learned, or its table; "two-part" by default.
        training: limits of gradients and Adam's constants.
        generator: source of all randomness.
        each: is called after each round, to show or write the state.

    Returns:
        The result; after Ctrl-C the state at that time, `interrupted`.

    Raises:
        UsageError: for a model without z, a start that is no molecule, or nothing to start from.
        DivergenceError: where the model diverges.
    """
    if not model.latent_dim or model.prior.context_dim:
        raise UsageError("A design needs a model with a code z, and without a context.")
    if bool(start) == bool(similar_to):
        raise UsageError("A design needs either molecules to start from or some to be similar to.")
    asked = oracle if isinstance(oracle, Oracle) else Oracle(oracle, options.calls)
    shift = Shift(model, data, name, options, learning, training or TrainingOptions(), generator)
    result = Design(asked, shift.model)
    search = _Search(result, shift, options, each)
    try:
        search.begin(start or similar_to, bool(similar_to))
        for number in range(1, options.rounds + 1):
            if asked.spent:
                break
            search.round(number)
    except KeyboardInterrupt:
        result.interrupted = True
    return result


class _Search:
    """The rounds of a design, recorded in `result`."""

    def __init__(
        self,
        result: Design,
        shift: Shift,
        options: DesignOptions,
        each: Callable[[Design], None] | None,
    ) -> None:
        self.result, self.shift, self.options, self.each = result, shift, options, each
        self.bits: NDArray[np.float32] | None = None  # of the molecules to be similar to
        self.groups = 1
        self.began = time.monotonic()

    def begin(self, given: Sequence[str], similar: bool) -> None:
        """Ask for the values of the molecules to start from."""
        first: dict[tuple[int, str], str] = {}  # start and SMILES to the string as written
        forms = canonical_all(given)
        for place, (smiles, (good, reason)) in enumerate(zip(given, forms, strict=True)):
            if good is None:
                raise UsageError(f"{shown(smiles)} is no molecule: {reason}.")
            written = next(filter(self.shift.writes, (smiles, good)), None)
            if written is None:
                raise UsageError(
                    f"{shown(smiles)} cannot be started from: it has more than "
                    f"{self.shift.longest} tokens, or a symbol that no training molecule has."
                )
            first.setdefault((place if similar else 0, good), written)
        molecules = [smiles for _, smiles in first]
        if similar:
            self.bits, self.groups = morgan(molecules), len(molecules)
            if self.groups > self.options.population:
                raise UsageError(
                    f"population = {self.options.population} is less than the {self.groups} "
                    "molecules to be similar to."
                )
        likeness = 1.0 if similar else math.nan
        scored = [
            Scored(key[1], value, written, likeness, key[0])
            for (key, written), value in zip(
                first.items(), self.result.oracle.ask(molecules), strict=True
            )
        ]
        self._keep(scored)
        if len({m.start for m in self.result.molecules}) < self.groups:
            raise UsageError("The oracle has no value for a molecule to start from.")
        self.result.starts = scored if similar else []
        if self.shift.head is None and not self.options.random:
            self.shift.fit(self.result.molecules, steps=3000)
        self._record(0, math.nan, len(self.result.oracle.known), len(self.result.molecules))

    def round(self, number: int) -> None:
        """Propose, ask, keep the best, learn."""
        oracle, parents = self.result.oracle, self._parents()
        self.shift.longest = self.options.limit(number)
        strings, valid = self.shift.propose(parents), 0
        proposed: dict[tuple[int, str], str] = {}
        forms = canonical_all(strings)
        for parent, written, (smiles, _) in zip(parents, strings, forms, strict=True):
            if smiles is not None and self.shift.writes(written):
                valid += 1
                proposed.setdefault((parent.start, smiles), written)
        old = {(m.start, m.smiles) for m in self.result.molecules}
        before, near = oracle.calls, self._similar([key for key in proposed if key not in old])
        values = oracle.ask([smiles for _, smiles in near])
        scored = [
            Scored(key[1], value, proposed[key], likeness, key[0])
            for (key, likeness), value in zip(near.items(), values, strict=True)
        ]
        self._keep([*self.result.molecules, *scored])
        kept = {(m.start, m.smiles) for m in self.result.molecules}
        if self.options.passes and not self.options.random:
            worse = [m for m in scored if (m.start, m.smiles) not in kept]
            lost = [m for m in worse if math.isfinite(m.value)]
            self.shift.learn(self.result.molecules, lost)
        entered = len(kept - old)
        self._record(number, valid / len(strings), oracle.calls - before, entered)

    def _similar(self, proposed: list[tuple[int, str]]) -> dict[tuple[int, str], float]:
        """Those that are similar enough to their start; all without a constraint."""
        if self.bits is None or not proposed:
            return dict.fromkeys(proposed, math.nan)
        made = morgan([smiles for _, smiles in proposed])
        near = similarities(made, self.bits[[place for place, _ in proposed]]).tolist()
        least = self.options.at_least
        return {key: s for key, s in zip(proposed, near, strict=True) if s >= least}

    def _keep(self, molecules: Sequence[Scored]) -> None:
        """The best of each start, as many of each."""
        quota, taken = self.options.population // self.groups, [0] * self.groups
        kept = []
        known = [m for m in molecules if math.isfinite(m.value)]
        for molecule in sorted(known, key=lambda m: -m.value):
            if taken[molecule.start] < quota:
                taken[molecule.start] += 1
                kept.append(molecule)
        self.result.molecules = kept

    def _parents(self) -> list[Scored]:
        """As many of each start as are to be kept of it; few are repeated."""
        quota = self.options.population // self.groups
        groups: list[list[Scored]] = [[] for _ in range(self.groups)]
        for molecule in self.result.molecules:
            groups[molecule.start].append(molecule)
        return [some[i % len(some)] for some in groups for i in range(quota)]

    def _record(self, number: int, validity: float, unseen: int, entered: int) -> None:
        values = np.array([m.value for m in self.result.molecules])
        self.result.spread.append(values)
        best, top_3, top_100 = (float(values[:k].mean()) for k in (1, 3, 100))
        self.result.history.append(
            Round(
                number, self.result.oracle.calls, best, top_3, top_100, float(values.mean()),
                validity, unseen, entered, round(time.monotonic() - self.began, 2),
            )
        )  # fmt: skip
        if self.each is not None:
            self.each(self.result)
