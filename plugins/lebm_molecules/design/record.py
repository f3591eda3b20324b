"""The course of a design: its rounds, its molecules, and the files of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lebm_core.models.latent_ebm import LatentEBM
from lebm_molecules.data.files import write_table
from lebm_molecules.design.oracle import Oracle
from lebm_molecules.design.shifting import Scored

__all__ = ["Design", "Round", "summary", "write"]


class Round(NamedTuple):
    """A round of a design; `best` to `mean` are of the molecules kept after it.

    Attributes:
        round: its number; 0 is the start.
        calls: of the oracle so far.
        best, top_3, top_100, mean: values; the means of the best 3, the best 100, and of all.
        validity: share of the proposed strings that are molecules of allowed length.
        unseen: proposed molecules that the oracle was asked for, not known before.
        entered: number of these that were kept.
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
    """The state and the result of a design.

    Attributes:
        oracle: has all values that were asked for.
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
        """Return the mean of the k highest values."""
        return float(np.mean([m.value for m in self.molecules[:k]]))

    def improved(self) -> list[Scored]:
        """Return for each of `starts` the best molecule similar to it, which may be itself."""
        best: dict[int, Scored] = {}
        for molecule in self.molecules:
            best.setdefault(molecule.start, molecule)
        return [best[i] for i in range(len(self.starts))]


def summary(design: Design) -> dict[str, Any]:
    """Return the results of a design, for JSON."""
    last = design.history[-1]
    values: dict[str, Any] = {
        "oracle_calls": last.calls,
        "rounds": last.round,
        "best": last.best,
        "top_3": last.top_3,
        "top_100": last.top_100,
        "start_top_3": design.history[0].top_3,
        "validity_last_round": None if math.isnan(last.validity) else last.validity,
        "seconds": last.seconds,
        "interrupted": design.interrupted,
        "molecules": [m.smiles for m in design.molecules[:3]],
    }
    if design.starts:
        pairs = list(zip(design.improved(), design.starts, strict=True))
        gains = np.array([best.value - before.value for best, before in pairs])
        values |= {
            "starts": len(gains),
            "improvement": float(gains.mean()),
            "improvement_sd": float(gains.std()),
            "success": float((gains > 0).mean()),
            "similarity": float(np.mean([best.similarity for best, _ in pairs])),
        }
    return values


def write(design: Design, folder: Path) -> None:
    """Write history.csv, a row a round, and molecules.csv, the best first."""
    folder.mkdir(parents=True, exist_ok=True)
    ranked: list[Sequence[Any]] = [(i, *m) for i, m in enumerate(design.molecules, 1)]
    write_table(folder / "history.csv", Round._fields, design.history)
    write_table(folder / "molecules.csv", ("rank", *Scored._fields), ranked)
