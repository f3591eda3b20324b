"""Does unlabelled data help? Accuracy on digits against the number of unlabelled examples.

    python tests/benchmarks/unlabelled.py [--draws 5] [--figure FILE]

50 labelled digits of scikit-learn, test half as in no other place: rows from 1,198 on of one
shuffle. Each size adds unlabelled examples to the same labelled ones; the trainings are of equal
length in steps.
"""

from __future__ import annotations

import argparse
import statistics

import numpy as np
import torch
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from lebm_core import LatentEBMClassifier
from lebm_core.labels import choose_labelled

TRAIN, LABELS, STEPS, BATCH = 1198, 50, 240, 200
UNLABELLED = (0, 50, 150, 350, 700, TRAIN - LABELS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--figure", default="")
    options = parser.parse_args()
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(x))
    x, y = x[order], y[order]
    test = slice(TRAIN, None)
    found: dict[int, list[float]] = {n: [] for n in UNLABELLED}
    alone = []
    for draw in range(options.draws):
        labelled = choose_labelled(torch.as_tensor(y[:TRAIN]), LABELS, seed=draw).numpy()
        others = np.setdiff1d(np.arange(TRAIN), labelled)
        others = np.random.RandomState(draw).permutation(others)
        plain = LogisticRegression(max_iter=2000).fit(x[labelled], y[labelled])
        alone.append(plain.score(x[test], y[test]))
        for n in UNLABELLED:
            rows = np.concatenate([labelled, others[:n]])
            given = np.where(np.arange(len(rows)) < LABELS, y[rows], -1)
            model = LatentEBMClassifier(
                input_options={"scaling": "all"}, random_state=draw, finish_steps=0,
                max_iter=STEPS // -(-len(rows) // BATCH),
            ).fit(x[rows], given)  # fmt: skip
            found[n].append(model.score(x[test], y[test]))
            print(f"draw {draw}, {n} unlabelled: {found[n][-1]:.3f}", flush=True)
    print(f"logistic regression, labelled alone: {_shown(alone)}")
    for n, scores in found.items():
        print(f"{n} unlabelled: {_shown(scores)}")
    if options.figure:
        _draw(found, alone, options.figure)


def _error(scores: list[float]) -> float:
    return statistics.stdev(scores) / len(scores) ** 0.5 if len(scores) > 1 else 0.0


def _shown(scores: list[float]) -> str:
    return f"{statistics.fmean(scores):.3f} ± {_error(scores):.3f}"


def _draw(found: dict[int, list[float]], alone: list[float], file: str) -> None:
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    means = [statistics.fmean(scores) for scores in found.values()]
    axis.errorbar(list(found), means, [_error(s) for s in found.values()], marker="o", capsize=3)
    axis.axhline(statistics.fmean(alone), color="0.5", ls="--", lw=1)
    axis.set(xlabel="unlabelled examples beside 50 labelled", ylabel="accuracy")
    axis.legend(["labelled alone, logistic regression", "LatentEBMClassifier"])
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
