"""Molecules of low penalised logP bettered by similar ones, with the model of a run.

Run it by `python tests/benchmarks/improved_molecules.py RUN --at-least 0.4 --data-dir DIR`. The
protocol is that of Jin et al. 2018 on fewer molecules: of the 800 of the test split with the lowest
`plogp_z` some are drawn, each is to be bettered within a Tanimoto similarity, and what counts is
the mean improvement of the best and the share of molecules that are bettered at all. All of them
share a model, which learns from the molecules kept of each. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

import torch

from lebm_core.run.build import build_dataset
from lebm_core.run.config.recipe import load
from lebm_molecules.chemistry.properties import values_of
from lebm_molecules.data.dataset import MoleculeDataset
from lebm_molecules.design.run import design_run, summary
from lebm_molecules.design.shifting import DesignOptions

PROPERTY, LOWEST = "plogp_z", 800


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--at-least", type=float, default=0.4)
    parser.add_argument("--starts", type=int, default=40)
    parser.add_argument("--each", type=int, default=10, help="molecules kept of each")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--data-dir", default=None)
    parser.add_argument("--out", type=Path, default=None)
    given = parser.parse_args()
    data = build_dataset(load(given.run / "recipe.toml"), given.data_dir)
    assert isinstance(data, MoleculeDataset)
    test = data.strings(data.batch("test", torch.arange(data.length("test"))).x)
    values = [value for (value,) in values_of(test, [PROPERTY])]
    lowest = sorted(range(len(test)), key=values.__getitem__)[:LOWEST]
    starts = random.Random(0).sample(lowest, given.starts)
    found = design_run(
        given.run, PROPERTY, similar_to=[test[i] for i in starts], out=given.out,
        options=DesignOptions(
            rounds=given.rounds, population=given.starts * given.each, passes=given.passes,
            at_least=given.at_least,
        ),
        log=lambda line: print(line, file=sys.stderr),
    )  # fmt: skip
    before = sum(values[i] for i in starts) / len(starts)
    print(json.dumps(summary(found) | {"mean_of_starts": before}, indent=1))


if __name__ == "__main__":
    main()
