"""Design of molecules: a model shifts, round by round, to where an oracle's values are high.

Source: sampling with gradual distribution shifting, Kong et al. 2023, arXiv 2306.14902. In each
round codes are moved a step further under prior and property, decoded and judged; the best of old
and new molecules are kept, and the model learns from them. Under a constraint of similarity
(Jin et al. 2018, arXiv 1802.04364) each molecule given has a population of its own, all of it
similar to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lebm_core.errors import UsageError
from lebm_core.learning.options import LearningOptions
from lebm_core.models.latent_ebm import LatentEBM
from lebm_core.run.training.options import TrainingOptions
from lebm_core.sequences.dataset import TokenDataset
from lebm_molecules.chemistry.rdkit import canonical
from lebm_molecules.design.oracle import Oracle, morgan, similarities
from lebm_molecules.design.shifting import DesignOptions, Scored, Shift

__all__ = ["Design", "DesignOptions", "Round", "Scored", "design"]


class Round(NamedTuple):
    """What a round came to; `best` to `mean` are of the molecules kept after it.

    Attributes:
        round: its number; 0 is the start.
        calls: of the oracle so far.
        best, top_3, top_100, mean: values; the means of the best 3, the best 100, and of all.
        validity: share of the proposed strings that are molecules of allowed length.
        unseen: proposed molecules that the oracle did not know, and was asked for.
        entered: of these, how many were kept.
        seconds: since the design began.
    """

    round: int
    calls: int
    best: float
    top_3: float
    top_100: float
    mean: float
    validity: float
    unseen: int
    entered: int
    seconds: float


@dataclass
class Design:
    """What a design has come to.

    Attributes:
        oracle: knows all that was asked.
        model: as it is after the last round; the one given is not changed.
        molecules: those kept, the best first.
        starts: the molecules to be similar to, with their own values; empty without any.
        history: a row for the start and each round.
        spread: the values of the kept molecules after each row of `history`.
        interrupted: whether Ctrl-C ended it.
    """

    oracle: Oracle
    model: LatentEBM
    molecules: list[Scored] = field(default_factory=list)
    starts: list[Scored] = field(default_factory=list)
    history: list[Round] = field(default_factory=list)
    spread: list[NDArray[np.float64]] = field(default_factory=list)
    interrupted: bool = False

    def best(self, k: int = 3) -> float:
        """The mean of the k highest values."""
        return float(np.mean([m.value for m in self.molecules[:k]]))

    def improved(self) -> list[Scored]:
        """For each of `starts` the best molecule that is similar to it; it may be that itself."""
        found: dict[int, Scored] = {}
        for molecule in self.molecules:
            found.setdefault(molecule.start, molecule)
        return [found[i] for i in range(len(self.starts))]


def design(
    model: LatentEBM,
    data: TokenDataset,
    oracle: Oracle | Callable[[str], float],
    start: Sequence[str] = (),
    *,
    name: str = "oracle",
    options: DesignOptions = DesignOptions(),  # noqa: B008 - it is frozen
    similar_to: Sequence[str] = (),
    learning: LearningOptions | None = None,
    training: TrainingOptions | None = None,
    generator: torch.Generator | None = None,
    each: Callable[[Design], None] | None = None,
) -> Design:
    """Looks for molecules whose value is high.

    The oracle is asked once for each distinct molecule, those to start from included; what it
    said is kept, and looking that up is no call. Of two strings for one molecule, by canonical
    SMILES, the second is no other molecule.

    Args:
        model: of molecules, with a z. It is not changed: a copy of it learns.
        data: its data set, for the tokens; the splits may be empty.
        oracle: SMILES -> value, to be made high; it is given canonical SMILES, and says NaN of
            what has no value. An `Oracle` may know some already, and has its own limit of calls.
        start: SMILES to start from; not with `similar_to`.
        name: of the property; a head of that name is used to begin with, else one is learned.
        options: how.
        similar_to: SMILES that are to be bettered, each by molecules similar to it (Tanimoto
            similarity of Morgan fingerprints of radius 2 and 2,048 bits).
        learning: the rule by which the model learned; the default one otherwise.
        training: limits of gradients and Adam's constants.
        generator: source of all randomness.
        each: is called after each round, to show or write what there is.

    Returns:
        What was found; after Ctrl-C what there was, `interrupted`.

    Raises:
        UsageError: for a model without z, a start that is no molecule, or nothing to start from.
        DivergenceError: where the model diverges.
    """
    if not model.latent_dim or model.prior.context_dim:
        raise UsageError("A design needs a model with a code z, and without a context.")
    if bool(start) == bool(similar_to):
        raise UsageError("A design needs either molecules to start from or some to be similar to.")
    asked = oracle if isinstance(oracle, Oracle) else Oracle(oracle, options.calls)
    shift = Shift(
        model, data, name, options, learning or LearningOptions(), training or TrainingOptions(),
        generator,
    )  # fmt: skip
    found = Design(asked, shift.model)
    search = _Search(found, shift, options, each)
    try:
        search.begin(start or similar_to, bool(similar_to))
        for number in range(1, options.rounds + 1):
            if asked.spent:
                break
            search.round(number)
    except KeyboardInterrupt:
        found.interrupted = True
    return found


class _Search:
    """The rounds of a design, which `found` is filled by."""

    def __init__(
        self,
        found: Design,
        shift: Shift,
        options: DesignOptions,
        each: Callable[[Design], None] | None,
    ) -> None:
        self.found, self.shift, self.options, self.each = found, shift, options, each
        self.bits: NDArray[np.float32] | None = None  # of the molecules to be similar to
        self.groups = 1
        self.began = time.monotonic()

    def begin(self, given: Sequence[str], similar: bool) -> None:
        """Judges the molecules to start from."""
        first: dict[tuple[int, str], str] = {}  # start and SMILES to the string as written
        for place, smiles in enumerate(given):
            good, reason = canonical(smiles)
            if good is None:
                raise UsageError(f'"{smiles}" is no molecule: {reason}.')
            written = next(filter(self.shift.writes, (smiles, good)), None)
            if written is None:
                raise UsageError(
                    f'"{smiles}" cannot be started from: it has more than {self.shift.longest} '
                    "tokens, or a symbol that no training molecule has."
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
                first.items(), self.found.oracle.ask(molecules), strict=True
            )
        ]
        self._keep(scored)
        if len({m.start for m in self.found.molecules}) < self.groups:
            raise UsageError("The oracle has no value for a molecule to start from.")
        self.found.starts = scored if similar else []
        if self.shift.head is None and not self.options.random:
            self.shift.fit(self.found.molecules, steps=3000)
        self._record(0, math.nan, len(self.found.oracle.known), len(self.found.molecules))

    def round(self, number: int) -> None:
        """Proposes, asks, keeps the best, learns."""
        oracle, parents = self.found.oracle, self._parents()
        self.shift.longest = self.options.limit(number)
        strings, valid = self.shift.propose(parents), 0
        proposed: dict[tuple[int, str], str] = {}
        for parent, written in zip(parents, strings, strict=True):
            smiles = canonical(written)[0]
            if smiles is not None and self.shift.writes(written):
                valid += 1
                proposed.setdefault((parent.start, smiles), written)
        old = {(m.start, m.smiles) for m in self.found.molecules}
        before, near = oracle.calls, self._similar([key for key in proposed if key not in old])
        values = oracle.ask([smiles for _, smiles in near])
        scored = [
            Scored(key[1], value, proposed[key], likeness, key[0])
            for (key, likeness), value in zip(near.items(), values, strict=True)
        ]
        self._keep([*self.found.molecules, *scored])
        kept = {(m.start, m.smiles) for m in self.found.molecules}
        if self.options.passes and not self.options.random:
            worse = [m for m in scored if (m.start, m.smiles) not in kept]
            lost = [m for m in worse if math.isfinite(m.value)]
            self.shift.learn(self.found.molecules, lost)
        entered = len(kept - old)
        self._record(number, valid / len(strings), oracle.calls - before, entered)

    def _similar(self, proposed: list[tuple[int, str]]) -> dict[tuple[int, str], float]:
        """Those that are similar enough to where they started; all without a constraint."""
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
        there = [m for m in molecules if math.isfinite(m.value)]
        for molecule in sorted(there, key=lambda m: -m.value):
            if taken[molecule.start] < quota:
                taken[molecule.start] += 1
                kept.append(molecule)
        self.found.molecules = kept

    def _parents(self) -> list[Scored]:
        """As many of each start as are to be kept of it; few are taken several times."""
        quota = self.options.population // self.groups
        mine: list[list[Scored]] = [[] for _ in range(self.groups)]
        for molecule in self.found.molecules:
            mine[molecule.start].append(molecule)
        return [some[i % len(some)] for some in mine for i in range(quota)]

    def _record(self, number: int, validity: float, unseen: int, entered: int) -> None:
        values = np.array([m.value for m in self.found.molecules])
        self.found.spread.append(values)
        best, top_3, top_100 = (float(values[:k].mean()) for k in (1, 3, 100))
        self.found.history.append(
            Round(
                number, self.found.oracle.calls, best, top_3, top_100, float(values.mean()),
                validity, unseen, entered, round(time.monotonic() - self.began, 2),
            )
        )  # fmt: skip
        if self.each is not None:
            self.each(self.found)
